"""Where the lab keeps things: small files in the project, large ones in a cache outside it."""

from __future__ import annotations

import os
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]


def cache() -> Path:
    """Base systems, the mirror and the machines' disks; `CHOM_LAB_CACHE` moves it."""
    return Path(os.environ.get("CHOM_LAB_CACHE") or "/var/cache/chom-lab").resolve()


def lab_folder(name: str, project: Path = PROJECT) -> Path:
    """Keys, inventory, state and logs of one lab; git-ignored."""
    return project / ".lab" / name


def disks_folder(name: str) -> Path:
    """The machines' disks of one lab."""
    return cache() / "labs" / name
