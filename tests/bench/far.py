"""pyinfra's command with its SSH connections led through a relay: ``python -m tests.bench.far``.

BENCH_RELAYS: JSON, address of a target → where the relay to it listens. What is deployed knows
the targets by their own addresses, so that nothing changes there.
"""

import json
import os
import socket
from typing import Any

from pyinfra_cli.main import cli

_relays = {host: tuple(place) for host, place in json.loads(os.environ["BENCH_RELAYS"]).items()}
_connect = socket.socket.connect


def _led(sock: socket.socket, address: Any) -> None:
    """Connect to the relay instead, if it is a target's."""
    _connect(sock, _relays.get(address[0], address) if isinstance(address, tuple) else address)


socket.socket.connect = _led  # type: ignore[method-assign,assignment]
cli()
