"""The name servers that the machines ask: this computer's own."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

from tests.lab.shell import LabError

# systemd-resolved listens on a loopback address; the servers that it asks are in the second file.
_CANDIDATES = (Path("/etc/resolv.conf"), Path("/run/systemd/resolve/resolv.conf"))


def resolv_conf(candidates: tuple[Path, ...] = _CANDIDATES) -> str:
    """A `resolv.conf` that works in a network of its own.

    Raises:
        LabError: This computer only has name servers that no one else can reach.
    """
    for candidate in candidates:
        text = candidate.read_text() if candidate.is_file() else ""
        if any(_reachable(server) for server in name_servers(text)):
            return text
    raise LabError(
        "no name server that the machines could reach: /etc/resolv.conf of this computer"
        " names none, or only loopback addresses; put a `nameserver ADDRESS` line there"
    )


def name_servers(resolv_conf: str) -> list[str]:
    """The addresses on the `nameserver` lines, without a `%interface`."""
    lines = (line.split() for line in resolv_conf.splitlines())
    return [
        words[1].partition("%")[0] for words in lines if words[:1] == ["nameserver"] and words[1:]
    ]


def _reachable(server: str) -> bool:
    address = ip_address(server)
    # The lab's network has IPv4 only.
    return address.version == 4 and not address.is_loopback
