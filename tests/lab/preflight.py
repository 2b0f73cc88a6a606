"""What this computer must have; each thing missing is one line that says what to do."""

from __future__ import annotations

import os
import platform
import re
import shutil
from pathlib import Path

from tests.lab import paths
from tests.lab.cgroup import Cgroup
from tests.lab.shell import LabError, run

# Each program with the Debian package that brings it.
PROGRAMS = {
    "debootstrap": "debootstrap",
    "systemd-nspawn": "systemd-container",
    "nft": "nftables",
    "ip": "iproute2",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "taskset": "util-linux",
    "mount": "mount",
    "dpkg-deb": "dpkg",
    "apt-config": "apt",
    "gpg": "gnupg",
    "gpgconf": "gnupg",
}
# The first kernel with cgroup.kill.
OLDEST_KERNEL = (5, 14)
NEEDED_DISK_GB = 3


def check() -> None:
    """Raise `LabError` for the first thing that is missing."""
    check_root()
    check_programs()
    check_kernel(platform.release())
    check_overlay(Path("/proc/filesystems"))
    Cgroup.root()
    if run("nft", "list", "tables", check=False).returncode != 0:
        raise LabError("the kernel has no nftables (CONFIG_NF_TABLES): try modprobe nf_tables")
    if not Path("/proc/self/ns/net").exists():
        raise LabError("the kernel has no network namespaces (CONFIG_NET_NS)")
    check_disk(paths.cache())


def check_root() -> None:
    """The lab mounts, and makes interfaces: only root may."""
    if os.geteuid() != 0:
        raise LabError("the lab needs root: run it with sudo")


def check_programs() -> None:
    """All at once, so that one apt-get is enough."""
    missing = sorted({package for name, package in PROGRAMS.items() if not shutil.which(name)})
    if missing:
        raise LabError(f"programs are missing: apt-get install {' '.join(missing)}")


def check_kernel(release: str) -> None:
    """Takes the text of `uname -r`."""
    match = re.match(r"(\d+)\.(\d+)", release)
    if match and (int(match[1]), int(match[2])) < OLDEST_KERNEL:
        oldest = ".".join(map(str, OLDEST_KERNEL))
        raise LabError(f"the kernel {release} is too old: the lab needs {oldest} or newer")


def check_overlay(filesystems: Path) -> None:
    """The machines' disks are overlayfs."""
    if "overlay" not in filesystems.read_text():
        run("modprobe", "overlay", check=False)
    if "overlay" not in filesystems.read_text():
        raise LabError("the kernel has no overlayfs (CONFIG_OVERLAY_FS): try modprobe overlay")


def check_disk(cache: Path) -> None:
    """Room for the base system and for what is installed on the machines."""
    cache.mkdir(parents=True, exist_ok=True)
    free_gb = shutil.disk_usage(cache).free / 1e9
    if free_gb < NEEDED_DISK_GB:
        raise LabError(
            f"{cache} has {free_gb:.1f} GB free, the lab needs {NEEDED_DISK_GB} GB:"
            " make room, or set CHOM_LAB_CACHE to another folder"
        )
    kind = run("stat", "--file-system", "--format=%T", str(cache)).stdout.strip()
    if kind == "overlayfs":
        raise LabError(
            f"{cache} is on overlayfs, which cannot carry the machines' disks:"
            " set CHOM_LAB_CACHE to a folder on another file system"
        )
