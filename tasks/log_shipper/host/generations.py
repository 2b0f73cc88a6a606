"""Generations of a log file: the file itself, and those that logrotate has renamed."""

from __future__ import annotations

import glob
import gzip
import hashlib
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

# Enough to tell two log files apart; a header alone may be the same in both.
FINGERPRINT_BYTES = 4096
CHUNK_BYTES = 1 << 20
_NUMBERED = re.compile(r"\.(\d+)(?:\.gz)?$")
_DATED = re.compile(r"-(\d{8,})(?:\.gz)?$")


@dataclass(frozen=True)
class Identity:
    """Identity of a log file, under whatever name.

    ``digest``: SHA-256 of its first ``length`` bytes.
    """

    inode: int
    length: int
    digest: str


@dataclass(frozen=True)
class Generation:
    """A log file, or what logrotate has made of an older one."""

    path: str
    inode: int
    modified: float

    @property
    def is_compressed(self) -> bool:
        return self.path.endswith(".gz")

    @contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """Open its plain content; raises `OSError` or `EOFError` if there is none."""
        with _opened(self.path) as file:
            if not self.is_compressed:
                yield file
                return
            with gzip.GzipFile(fileobj=file) as plain:
                yield plain  # type: ignore[misc]

    def size(self) -> int:
        """Bytes of its plain content."""
        if not self.is_compressed:
            return os.stat(self.path).st_size
        with self.open() as file:
            return sum(len(chunk) for chunk in iter(lambda: file.read(CHUNK_BYTES), b""))

    def begins_as(self, identity: Identity) -> bool:
        """Whether its first bytes are those of ``identity``."""
        try:
            with self.open() as file:
                start = file.read(identity.length)
        except (OSError, EOFError):
            return False
        return len(start) == identity.length and _digest(start) == identity.digest


def identity_of(path: str) -> Identity:
    """Return the identity of a log file now; raises `OSError` if it is not there."""
    with _opened(path) as file:
        start = file.read(FINGERPRINT_BYTES)
        return Identity(os.fstat(file.fileno()).st_ino, len(start), _digest(start))


def generations(path: str) -> list[Generation]:
    """Return the generations of ``path``, the newest first."""
    rotated = [
        *((int(found[1]), name) for name, found in _named(path, _NUMBERED)),
        # Later dates are newer.
        *((-int(found[1]), name) for name, found in _named(path, _DATED)),
    ]
    found = [_generation(path, follow=True)]
    found += [_generation(name, follow=False) for _, name in sorted(rotated)]
    return [each for each in found if each is not None]


def unread(
    path: str, offset: int, identity: Identity, since: float
) -> list[tuple[Generation, int]] | None:
    """Return what was not read of rotated files: generations and offsets, oldest first.

    ``offset``, ``identity``: of the file that had this path at the time ``since``, in seconds since
    1970. None means that the path still is that file.
    """
    found = generations(path)
    place = _place(found, path, offset, identity, since)
    if place is None:
        # The file is gone: all that was written since came after it.
        newer = [each for each in found if each.modified >= since and each.path != path]
        return [(each, 0) for each in reversed(newer)]
    if found[place].path == path:
        return None
    newer = [each for each in found[:place] if each.path != path]
    return [(found[place], offset), *((each, 0) for each in reversed(newer))]


def _place(
    found: list[Generation], path: str, offset: int, identity: Identity, since: float
) -> int | None:
    for place, each in enumerate(found):
        if _is_exactly(each, offset, identity):
            return place
    if not identity.length:
        return None
    # Compressed, or copied and truncated: only the content is the same. Of several alike, such as
    # those with nothing but a header, the oldest that was written to since is taken.
    alike = [
        place
        for place, each in enumerate(found)
        if each.path != path and each.begins_as(identity) and each.size() >= offset
    ]
    written = [place for place in alike if found[place].modified >= since]
    if written or alike:
        return max(written) if written else min(alike)
    return 0 if found and found[0].path == path and _is_copy(found[0], offset, identity) else None


def _is_exactly(each: Generation, offset: int, identity: Identity) -> bool:
    return each.inode == identity.inode and _is_copy(each, offset, identity)


def _is_copy(each: Generation, offset: int, identity: Identity) -> bool:
    return not each.is_compressed and each.begins_as(identity) and each.size() >= offset


def _named(path: str, suffix: re.Pattern[str]) -> Iterator[tuple[str, re.Match[str]]]:
    for name in glob.glob(f"{glob.escape(path)}[.-]*"):
        if found := suffix.fullmatch(name[len(path) :]):
            yield name, found


def _generation(path: str, *, follow: bool) -> Generation | None:
    try:
        found = os.stat(path, follow_symlinks=follow)
    except OSError:
        return None
    # The owner of a folder of logs must not lead this program elsewhere, or let it wait.
    if not stat.S_ISREG(found.st_mode):
        return None
    return Generation(path, found.st_ino, found.st_mtime)


@contextmanager
def _opened(path: str) -> Iterator[IO[bytes]]:
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(f"{path} is no regular file")
        yield file


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
