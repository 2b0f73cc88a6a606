"""What is mounted, and taking it away."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tests.lab.shell import run


@dataclass(frozen=True)
class Mount:
    """One line of `/proc/self/mounts`."""

    target: Path
    kind: str
    options: str


def mounts(table: Path = Path("/proc/self/mounts")) -> list[Mount]:
    """All mounts that this process sees, oldest first."""
    return [
        Mount(Path(_unescape(target)), kind, options)
        for _, target, kind, options, *_ in map(str.split, table.read_text().splitlines())
    ]


def unmount_below(folder: Path) -> None:
    """Unmount everything at or below `folder`, newest first."""
    for mount in reversed(mounts()):
        if (
            mount.target.is_relative_to(folder)
            and run("umount", str(mount.target), check=False).returncode != 0
        ):
            # A process of an outer mount namespace may still look at it for a moment.
            run("umount", "--lazy", str(mount.target))


def _unescape(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)
