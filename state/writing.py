"""Files that a reader, or whoever comes after a power cut, meets old or new, and always whole."""

import os
import time
from contextlib import suppress
from pathlib import Path

# What a killed write left behind; none takes this long.
_LEFTOVER_S = 3600


def write_atomically(path: Path, text: str) -> None:
    """Write a file, mode 0600, by renaming a complete one over it; its folder is synced too."""
    _make_folder(path.parent)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        _write(temporary, text.encode())
    except BaseException:
        # Half a file on a full disk is room that somebody needs.
        with suppress(OSError):
            temporary.unlink()
        raise
    os.replace(temporary, path)
    sync(path.parent)


def _make_folder(folder: Path) -> None:
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        sync(folder.parent)
        sync(folder.parent.parent)


def _write(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        while content:
            content = content[os.write(descriptor, content) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def link_atomically(path: Path, to: str) -> None:
    """Let a symbolic link lead to ``to``; there is no moment without the old or the new one."""
    if path.is_symlink() and os.readlink(path) == to:
        return
    temporary = path.with_name(f".{path.stem}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    os.symlink(to, temporary)
    os.replace(temporary, path)
    sync(path.parent)


def sync(folder: Path) -> None:
    """Let what was renamed or removed in a folder outlast a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sweep(folder: Path) -> None:
    """Take away what writes that were killed left in a folder; raises nothing."""
    for leftover in folder.glob(".*.[0-9]*"):
        with suppress(OSError):
            if leftover.lstat().st_mtime < time.time() - _LEFTOVER_S:
                leftover.unlink()
