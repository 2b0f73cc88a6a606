"""What is on a machine's disk, byte for byte."""

import hashlib
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple


class Entry(NamedTuple):
    """One path: everything of it that a deployment could change, but not its times."""

    type_and_mode: str
    user: int
    group: int
    size: int
    content: str


Listing = Mapping[str, Entry]


def listing(root: Path, below: str = "") -> Listing:
    """Every path of the disk at ``root``, or of its folder ``below``, as the machine names it.

    A file's content is its SHA-256, a link's is its target. A folder's size says nothing.
    """
    found: dict[str, Entry] = {}
    folders = [root / below]
    while folders:
        folder = folders.pop()
        found[f"/{folder.relative_to(root)}"] = _entry(folder)
        with os.scandir(folder) as entries:
            for each in entries:
                path = Path(each.path)
                if each.is_dir(follow_symlinks=False):
                    folders.append(path)
                else:
                    found[f"/{path.relative_to(root)}"] = _entry(path)
    return found


def differences(before: Listing, after: Listing, except_below: Mapping[str, str]) -> set[str]:
    """The paths that differ, but for those below the keys of ``except_below`` (path: reason)."""
    differ = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
    return {
        path
        for path in differ
        if not any(path == top or path.startswith(f"{top}/") for top in except_below)
    }


def _entry(path: Path) -> Entry:
    found = path.lstat()
    content, size = "", found.st_size
    if stat.S_ISREG(found.st_mode):
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
    elif stat.S_ISLNK(found.st_mode):
        content = os.readlink(path)
    elif stat.S_ISDIR(found.st_mode):
        size = 0
    return Entry(stat.filemode(found.st_mode), found.st_uid, found.st_gid, size, content)
