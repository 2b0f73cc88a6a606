"""A machine's disk: the base system below, what makes this machine itself, and its changes on top.

The layers are overlayfs: a fresh machine costs nothing, and resetting one is emptying a folder.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.lab import keys
from tests.lab.base import Base
from tests.lab.mounts import unmount_below
from tests.lab.shell import run
from tests.lab.size import Size, cpuinfo, meminfo, online


@dataclass(frozen=True)
class Identity:
    """What differs from one fresh machine to the next."""

    hostname: str
    size: Size
    resolv_conf: str
    login_key: Path
    host_keys: Iterable[Path]


@dataclass(frozen=True)
class Disk:
    """The folders of one machine's disk."""

    folder: Path

    @property
    def rootfs(self) -> Path:
        """What the machine sees as `/`."""
        return self.folder / "rootfs"

    @property
    def upper(self) -> Path:
        """Only what has changed since the machine was fresh."""
        return self.folder / "upper"

    @property
    def identity(self) -> Path:
        """The layer between the base and the changes."""
        return self.folder / "identity"

    def create(self, base: Base, identity: Identity) -> None:
        """Make a fresh disk in place of any earlier one, and mount it."""
        self.destroy()
        self.identity.mkdir(parents=True)
        _write_identity(self.identity, base.rootfs, identity)
        self.mount(base)

    def mount(self, base: Base) -> None:
        """Mount it at `rootfs` with the changes that it has."""
        work = self.folder / "work"
        for folder in (self.upper, work, self.rootfs):
            folder.mkdir(exist_ok=True)
        layers = f"lowerdir={self.identity}:{base.rootfs},upperdir={self.upper},workdir={work}"
        run("mount", "-t", "overlay", "overlay", "-o", layers, str(self.rootfs))

    def destroy(self) -> None:
        """Unmount and delete it, if it is there."""
        unmount_below(self.folder)
        shutil.rmtree(self.folder, ignore_errors=True)


def _write_identity(layer: Path, base: Path, identity: Identity) -> None:
    hosts = (base / "etc/hosts").read_text() + f"127.0.1.1\t{identity.hostname}\n"
    for path, text in {
        "etc/hostname": identity.hostname + "\n",
        "etc/hosts": hosts,
        "etc/resolv.conf": identity.resolv_conf,
        "etc/lab/meminfo": meminfo(identity.size),
        "etc/lab/cpuinfo": cpuinfo(identity.size, Path("/proc/cpuinfo").read_text()),
        "etc/lab/online": online(identity.size),
    }.items():
        _copy_folders(layer, base, Path(path).parent)
        (layer / path).write_text(text)
        (layer / path).chmod(0o644)
    _copy_folders(layer, base, Path("etc/ssh"))
    for key in identity.host_keys:
        shutil.copy(key, layer / "etc/ssh")
        shutil.copy(key.with_name(key.name + ".pub"), layer / "etc/ssh")
    for home in ("root", "home/deploy", "home/admin"):
        _copy_folders(layer, base, Path(home))
        _authorize(layer / home, keys.public(identity.login_key))


def _authorize(home: Path, public_key: str) -> None:
    owner = home.stat()
    ssh = home / ".ssh"
    ssh.mkdir(mode=0o700)
    file = ssh / "authorized_keys"
    file.write_text(public_key)
    file.chmod(0o600)
    for path in (ssh, file):
        os.chown(path, owner.st_uid, owner.st_gid)


def _copy_folders(layer: Path, base: Path, folder: Path) -> None:
    """Make `folder` in the layer with the owners and modes of the base, which it hides."""
    for part in [*reversed(folder.parents), folder]:
        original, copy = (base / part).stat(), layer / part
        copy.mkdir(exist_ok=True)
        os.chown(copy, original.st_uid, original.st_gid)
        copy.chmod(original.st_mode)
