"""Copies of lines that were rotated away before Loki had them; the shipper reads the copies."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import IO

from .generations import CHUNK_BYTES, Generation

# Space that copies leave on the disk, for the services of the machine.
RESERVED_BYTES = 256 << 20


def recover(generation: Generation, offset: int, folder: Path, name: str) -> Path | None:
    """Copy a generation from ``offset`` on into a file of ``folder``; return it, if there is any.

    A copy that an earlier start has made of the same lines is continued, so that the shipper reads
    none of them twice. Raises `OSError` or `EOFError` if the generation cannot be read, or the
    copy not be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for copy in _copies(folder, name):
        with generation.open() as content:
            content.seek(offset)
            if copy.exists():
                rest = _continues(copy, content)
                if rest is None:
                    continue
            else:
                rest = content.read(CHUNK_BYTES)
                if not rest:
                    return None
            _append(copy, rest, content)
            return copy
    raise AssertionError("the names of copies do not end")


def remove_read(folder: Path, offsets: Mapping[str, int]) -> list[Path]:
    """Remove the copies that were read to their end; ``offsets``: by path."""
    removed = []
    for copy in sorted(folder.glob("*/*.log")):
        offset = offsets.get(str(copy))
        if offset is not None and offset >= copy.stat().st_size:
            copy.unlink()
            removed.append(copy)
    return removed


def _copies(folder: Path, name: str) -> Iterator[Path]:
    for number in count(1):
        yield folder / f"{name}.{number}.log"


def _continues(copy: Path, content: IO[bytes]) -> bytes | None:
    """Return what follows in ``content`` after the lines of a copy; None if it has others."""
    with copy.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            same = content.read(len(chunk))
            if same != chunk:
                # A copy ends with a line's end, which the last line may not have had.
                ended = same + b"\n" == chunk and not file.read(1) and not content.read(1)
                return b"" if ended else None
    return content.read(CHUNK_BYTES)


def _append(copy: Path, rest: bytes, content: IO[bytes]) -> None:
    if not rest:
        return
    with copy.open("ab") as file:
        last = b""
        while rest:
            if shutil.disk_usage(copy.parent).free < RESERVED_BYTES:
                raise OSError(f"the disk has less than {RESERVED_BYTES >> 20} MiB left")
            file.write(rest)
            last, rest = rest[-1:], content.read(CHUNK_BYTES)
        if last != b"\n":
            # A shipper waits for the end of a line.
            file.write(b"\n")
        file.flush()
        os.fsync(file.fileno())
