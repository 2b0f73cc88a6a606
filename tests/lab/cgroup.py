"""A cgroup (v2) holds everything that a lab started, and nothing else, so it can be ended whole.

A machine's init outlives a killed systemd-nspawn; only the cgroup still finds it then.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.lab.mounts import mounts
from tests.lab.shell import LabError


@dataclass(frozen=True)
class Cgroup:
    """One folder in the cgroup2 file system."""

    path: Path

    @classmethod
    def root(cls) -> Cgroup:
        """The top of the cgroup2 tree; raises `LabError` when it is not mounted."""
        for mount in mounts():
            if mount.kind == "cgroup2":
                return cls(mount.target)
        raise LabError(
            "cgroup2 is not mounted: mkdir -p /sys/fs/cgroup/unified"
            " && mount -t cgroup2 none /sys/fs/cgroup/unified"
        )

    @property
    def procs(self) -> Path:
        """The file through which a process joins."""
        return self.path / "cgroup.procs"

    def child(self, name: str) -> Cgroup:
        """The cgroup of this name below; made by `create`."""
        return Cgroup(self.path / name)

    def create(self) -> Cgroup:
        """Make it unless it exists."""
        self.path.mkdir(parents=True, exist_ok=True)
        return self

    def populated(self) -> bool:
        """Whether any process is in it or below."""
        try:
            return "populated 1" in (self.path / "cgroup.events").read_text()
        except OSError:
            return False

    def destroy(self, limit: float = 10) -> None:
        """Kill every process in it and below, and remove it; nothing happens if it is not there.

        Raises:
            LabError: A process is still there after `limit` seconds.
        """
        if not self.path.is_dir():
            return
        deadline = time.monotonic() + limit
        (self.path / "cgroup.kill").write_text("1")
        while not self._remove():
            if time.monotonic() > deadline:
                raise LabError(f"processes in {self.path} do not end; see its cgroup.procs files")
            time.sleep(0.05)

    def _remove(self) -> bool:
        below = sorted(self.path.rglob("*/"), key=lambda folder: -len(folder.parts))
        for folder in [*below, self.path]:
            with suppress(OSError):
                folder.rmdir()
        return not self.path.exists()
