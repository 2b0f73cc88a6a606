"""systemd units that we wrote and that nobody wants any more."""

import shlex
from collections.abc import Sequence

from pyinfra import host
from pyinfra.api import StringCommand, operation

from facts.services import UnitsWith
from tasks.operations.commands import Commands

FOLDER = "/etc/systemd/system"


@operation()
def remove_units(mark: str, wanted: Sequence[str]) -> Commands:
    """Of the units whose file begins with the line ``mark``, have these alone."""
    ours = host.get_fact(UnitsWith, mark=mark)
    others = sorted(set(ours) - set(wanted))
    if others:
        paths = shlex.join(f"{FOLDER}/{path}" for unit in others for path in (unit, f"{unit}.d"))
        names = shlex.join(others)
        yield StringCommand(
            f"systemctl -q disable --now {names}; rm -rf {paths}; systemctl daemon-reload"
        )
