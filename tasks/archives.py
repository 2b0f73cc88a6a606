"""A local folder as one text, which a host unpacks."""

import base64
import gzip
import hashlib
import io
import os
import tarfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

# Of no use elsewhere, or made there; and secrets.
NEVER = frozenset({".git", "__pycache__", "node_modules", ".env", ".chom"})


@dataclass(frozen=True)
class Archive:
    """``base64``: a gzipped tarball in base64. ``sha256``: of the tarball, in hexadecimal."""

    base64: str
    sha256: str


def pack(folder: Path, without: Collection[str] = ()) -> Archive:
    """The files of a folder; the same text for the same names, contents and modes.

    ``without``: paths below the folder that are left out, as is what has a name of ``NEVER``.
    """
    packed = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w") as tar,
    ):
        for path in _files(folder, without):
            entry = tarfile.TarInfo(str(path.relative_to(folder)))
            entry.mode = 0o755 if os.access(path, os.X_OK) and not path.is_symlink() else 0o644
            if path.is_symlink():
                entry.type, entry.linkname = tarfile.SYMTYPE, os.readlink(path)
                tar.addfile(entry)
                continue
            entry.size = path.stat().st_size
            with path.open("rb") as content:
                tar.addfile(entry, content)
    archive = packed.getvalue()
    return Archive(base64.encodebytes(archive).decode(), hashlib.sha256(archive).hexdigest())


def _files(folder: Path, without: Collection[str]) -> Iterator[Path]:
    for here, folders, names in os.walk(folder):
        below = Path(here).relative_to(folder)
        folders[:] = sorted(name for name in folders if _taken(below / name, without))
        links = [name for name in folders if (Path(here) / name).is_symlink()]
        for name in sorted([*names, *links]):
            path = Path(here) / name
            if _taken(below / name, without) and (path.is_symlink() or path.is_file()):
                yield path


def _taken(path: Path, without: Collection[str]) -> bool:
    return path.name not in NEVER and str(path) not in without
