"""Generations of a log file: the file itself, and those that logrotate has renamed."""

from __future__ import annotations

import glob
import gzip
import hashlib
import os
import re
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

# Enough to tell two log files apart; a header alone may be the same in both.
FINGERPRINT_BYTES = 4096
CHUNK_BYTES = 1 << 20
# Files have the time of the kernel's last tick, which is a little behind the clock's.
CLOCK_SLACK_S = 1.0
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

    def is_longer(self, identity: Identity, offset: int) -> bool:
        """Whether it begins as ``identity``, and reaches up to ``offset`` at least."""
        try:
            with self.open() as file:
                start = file.read(identity.length)
            return _digest(start) == identity.digest and self.size() >= offset
        except (OSError, EOFError, zlib.error):
            return False


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
    since -= CLOCK_SLACK_S
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


def is_still(path: str, identity: Identity) -> bool:
    """Whether ``path`` is the file of ``identity``; the number alone may have been used again."""
    here = _generation(path, follow=True)
    return here is not None and here.inode == identity.inode and here.is_longer(identity, 0)


def _place(
    found: list[Generation], path: str, offset: int, identity: Identity, since: float
) -> int | None:
    """Return which of the generations ``path`` was; None if it is none of them."""
    alike = [
        place
        for place, each in enumerate(found)
        if (identity.length or each.inode == identity.inode) and each.is_longer(identity, offset)
    ]
    same = [place for place in alike if found[place].inode == identity.inode]
    rotated = [place for place in alike if found[place].path != path]
    if len(same) == len(alike):
        return same[0] if same else None
    # Compressed, or copied and truncated: only the content is the same. Of several alike, such as
    # those that begin with the same header, the oldest that was written to since is taken, also
    # instead of a file with the same inode: the number may have been used again.
    written = [place for place in rotated if found[place].modified >= since]
    if same and not any(place > same[0] for place in written):
        return same[0]
    return max(written) if written else min(rotated, default=alike[0])


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
