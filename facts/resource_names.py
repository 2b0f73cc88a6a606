"""What a resource may be called, by its kind: no name that a shell could take for anything else.

A record says by name what we created, and a removal is planned from that. So a name is checked
when a component declares it, and when it is read for a removal.
"""

import re
from collections.abc import Callable
from ipaddress import ip_network

from facts.firewall import ENABLE

_PART = r"[A-Za-z0-9_.@:+=,%~-]+"
_PATH = re.compile(rf"(/{_PART})+")
_UNIT = re.compile(
    r"[A-Za-z0-9_:.@\\][A-Za-z0-9_:.@\\-]{0,200}"
    r"(\.(service|timer|socket|path|mount|target|slice))?"
)
_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]{0,120}(:[a-z0-9-]{1,20})?")
# useradd(8); MariaDB's users are those of the system.
_USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
_DATABASE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}")
_DATABASE_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,79}")
_RULE = re.compile(
    r"ufw (?:allow|limit) (?:(?P<port>[0-9]{1,5})/tcp"
    r"|from (?P<source>[0-9a-f.:/]{2,50}) to any port (?P<to>[0-9]{1,5}) proto tcp)"
)


def _is_path(name: str) -> bool:
    parts = name.split("/")
    return len(name) < 4096 and bool(_PATH.fullmatch(name)) and not {".", ".."} & {*parts}


def _is_rule(name: str) -> bool:
    if name == ENABLE:
        return True
    found = _RULE.fullmatch(name)
    if not found or not 0 < int(found["port"] or found["to"]) < 65536:
        return False
    try:
        return found["source"] is None or bool(ip_network(found["source"]))
    except ValueError:
        return False


def _matches(pattern: re.Pattern[str]) -> Callable[[str], bool]:
    return lambda name: bool(pattern.fullmatch(name))


# Kind → what such a name is, and whether a text is one.
KINDS: dict[str, tuple[str, Callable[[str], bool]]] = {
    **dict.fromkeys(
        ("files", "directories", "artifacts", "data", "originals"),
        (f"an absolute path of letters, digits and {_PART[10:-2]}, without . and ..", _is_path),
    ),
    "services": ("the name of a systemd unit", _matches(_UNIT)),
    **dict.fromkeys(("packages", "remains"), ("the name of a package", _matches(_PACKAGE))),
    "users": ("the name of a user", _matches(_USER)),
    "databases": ("the name of a database", _matches(_DATABASE)),
    "database_users": ("the name of a database user", _matches(_DATABASE_USER)),
    "firewall_rules": ("a ufw command that admits a TCP port", _is_rule),
}


def problem_of(kind: str, name: str) -> str:
    """Say why a resource cannot have this name; nothing if it can."""
    expected, is_one = KINDS.get(kind, (f"one of the kinds {', '.join(KINDS)}", lambda _: False))
    if is_one(name):
        return ""
    return f"{kind} {name[:80]!a}: expected {expected}"


def check(kind: str, name: str) -> None:
    """Raise ValueError for a resource that cannot have this name."""
    if problem := problem_of(kind, name):
        raise ValueError(problem)
