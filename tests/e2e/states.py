"""What a deployment makes of a machine, to be compared with what another one made of it."""

import re
from pathlib import Path
from typing import Any

from tests.e2e.disks import differences, listing
from tests.e2e.machines import answer
from tests.lab import Lab

FOLDERS = ("etc", "opt", "usr/local", "var/www", "var/lib/chom")
# Releases are named after the moment at which they were made.
_RELEASE = re.compile(r"\d{8}-\d{6}-[0-9a-z]+")
# What says in which order things came about, or when, and not what they are.
EXCEPT_BELOW = {
    "/etc/passwd-": "the file before the last user came",
    "/etc/group-": "the same",
    "/etc/shadow-": "the same",
    "/etc/gshadow-": "the same",
    "/etc/passwd": "lines in the order in which packages were configured; compared as a set",
    "/etc/group": "the same",
    "/etc/shadow": "the same, and the days on which passwords were set",
    "/etc/gshadow": "the same",
    "/etc/subuid": "the same",
    "/etc/subgid": "the same",
    "/var/lib/chom/records": "of each run",
    "/var/lib/chom/metrics": "measured each minute",
    "/etc/machine-id": "of each machine",
    "/var/www/laravel/releases.jsonl": "when which release was made",
    "/var/www/laravel/releases/RELEASE/.release": "the same",
    "/var/www/laravel/releases/RELEASE/bootstrap/cache": "has the release's name in it",
    "/var/www/laravel/shared/storage": "written while the application runs",
}

State = dict[str, Any]


def state_of(lab: Lab, machine: str) -> State:
    """Packages, users, units, firewall, and files with their owners' names."""
    root = lab.rootfs(machine)
    return {
        "packages": set(_lines(lab, machine, "dpkg-query -W -f='${Package} ${Version}\\n'")),
        "users": set(_lines(lab, machine, "getent passwd | awk -F: '{print $1, $6, $7}'")),
        "groups": set(_lines(lab, machine, "getent group | awk -F: '{print $1, $4}'")),
        # Somebody's session is none.
        "enabled": set(
            _lines(lab, machine, "systemctl list-unit-files --no-legend | grep -v transient")
        ),
        "running": set(
            _lines(
                lab,
                machine,
                "systemctl list-units --type=service --state=running --plain"
                " --no-legend | awk '{print $1}' | grep -v ^user@",
            )
        ),
        "failed": set(_lines(lab, machine, "systemctl --failed --plain --no-legend")),
        "files": _files(root),
    }


def unlike(one: State, other: State) -> dict[str, Any]:
    """What differs, by kind; nothing where nothing does."""
    found: dict[str, Any] = {
        kind: sorted(one[kind] ^ other[kind]) for kind in one if kind != "files"
    }
    found["files"] = sorted(differences(one["files"], other["files"], EXCEPT_BELOW))
    return {kind: what for kind, what in found.items() if what}


def _files(root: Path) -> dict[str, Any]:
    users, groups = _names(root / "etc/passwd"), _names(root / "etc/group")
    found = {}
    for folder in FOLDERS:
        for path, entry in listing(root, folder).items():
            named = entry._replace(
                user=users.get(entry.user, entry.user),
                group=groups.get(entry.group, entry.group),
                content=_RELEASE.sub("RELEASE", entry.content),
                size=0,
            )
            found[_RELEASE.sub("RELEASE", path)] = named
    return found


def _names(path: Path) -> dict[int, Any]:
    rows = (line.split(":") for line in path.read_text().splitlines())
    return {int(row[2]): row[0] for row in rows}


def _lines(lab: Lab, machine: str, command: str) -> list[str]:
    return [" ".join(line.split()) for line in answer(lab, machine, command).splitlines()]
