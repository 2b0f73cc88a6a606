"""How large a machine is, and how it is made to believe so."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from tests.lab.shell import LabError

_SIZE = re.compile(r"([1-9]\d{0,2})x([1-9]\d{1,6})")


@dataclass(frozen=True)
class Size:
    """vCPUs and memory in MiB."""

    vcpus: int
    memory_mb: int

    @classmethod
    def parse(cls, text: str) -> Size:
        """Read `2x4096` (vCPUs x MiB); raises `LabError` when it is not of that form."""
        match = _SIZE.fullmatch(text)
        if not match:
            raise LabError(f"{text!r} is not a size: write vCPUs x MiB, such as 2x4096")
        size = cls(int(match[1]), int(match[2]))
        if size.memory_mb < 256:
            raise LabError(f"{text!r} is too small: a Debian machine needs 256 MiB")
        return size

    def __str__(self) -> str:
        return f"{self.vcpus}x{self.memory_mb}"


DEFAULT_SIZES = {"observability": Size(1, 2048), "vpsmanager": Size(2, 4096)}


def parse_sizes(texts: Iterable[str]) -> dict[str, Size]:
    """Read `--size` options: `vpsmanager=2x4096` for a role, `vpsmanager2=1x1024` for a machine."""
    sizes = {}
    for text in texts:
        name, separator, size = text.partition("=")
        if not separator or not name:
            raise LabError(f"--size {text}: write NAME=vCPUs x MiB, such as vpsmanager=2x4096")
        sizes[name] = Size.parse(size)
    return sizes


def meminfo(size: Size) -> str:
    """A `/proc/meminfo` of a freshly booted machine with this much memory and no swap."""
    total = size.memory_mb * 1024
    buffers, cached = total // 128, total // 10
    free = total - buffers - cached - total // 12
    amounts = {
        "MemTotal": total,
        "MemFree": free,
        "MemAvailable": free + cached,
        "Buffers": buffers,
        "Cached": cached,
        "SwapCached": 0,
        "Active": cached,
        "Inactive": cached // 2,
        "SwapTotal": 0,
        "SwapFree": 0,
        "Dirty": 0,
        "Writeback": 0,
        "AnonPages": total // 20,
        "Mapped": total // 40,
        "Shmem": total // 256,
        "KReclaimable": total // 128,
        "Slab": total // 64,
        "SReclaimable": total // 128,
        "SUnreclaim": total // 128,
        "CommitLimit": total // 2,
        "Committed_AS": total // 8,
    }
    return "".join(f"{name + ':':<16}{amount:>8} kB\n" for name, amount in amounts.items())


def cpuinfo(size: Size, whole: str) -> str:
    """The first vCPUs of the text of `/proc/cpuinfo`."""
    return "".join(f"{cpu}\n\n" for cpu in whole.strip().split("\n\n")[: size.vcpus])


def online(size: Size) -> str:
    """The kernel's list of the CPUs that run, such as `0-1`."""
    return "0\n" if size.vcpus == 1 else f"0-{size.vcpus - 1}\n"
