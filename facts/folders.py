"""Folders below one that another user may change."""

import json
from collections.abc import Mapping
from typing import TypedDict

from pyinfra.api import FactBase, QuoteString, StringCommand


class Folder(TypedDict):
    """Group and octal mode of a folder."""

    group: str
    mode: str


# Root may not trust a path here: the owner can put a link in any place, at any time. Each step of
# the path is opened by itself, following no link, and what is changed is what was opened.
_PROGRAM = """
import grp, json, os, pwd, sys
change, base, owner, folders = sys.argv[1] == "change", *sys.argv[2:4], json.loads(sys.argv[4])
uid, flags = pwd.getpwnam(owner).pw_uid, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
def differs(path, group, mode):
    here = os.open(base, flags)
    try:
        for name in path.split("/"):
            try:
                inner = os.open(name, flags, dir_fd=here)
            except FileNotFoundError:
                if not change:
                    return True
                os.mkdir(name, 0o700, dir_fd=here)
                inner = os.open(name, flags, dir_fd=here)
                os.fchown(inner, uid, -1)
            os.close(here)
            here = inner
        found = os.fstat(here)
        wanted = (grp.getgrnam(group).gr_gid, int(mode, 8))
        if found.st_uid != uid or (found.st_gid, found.st_mode & 0o7777) == wanted:
            return False
        if change:
            os.fchown(here, -1, wanted[0])
            os.fchmod(here, wanted[1])
        return True
    except (NotADirectoryError, OSError) as error:
        if isinstance(error, NotADirectoryError) or error.errno == 40:
            return False
        raise
    finally:
        os.close(here)
for path, wanted in folders.items():
    if differs(path, wanted["group"], wanted["mode"]):
        print(path)
"""


def folders_command(
    verb: str, base: str, owner: str, folders: Mapping[str, Folder]
) -> StringCommand:
    """The command that tells (``check``) or mends (``change``) what differs."""
    return StringCommand(
        "python3 -I -c", QuoteString(_PROGRAM), verb, QuoteString(base), QuoteString(owner),
        QuoteString(json.dumps(folders)),
    )  # fmt: skip


class DifferingFolders(FactBase[list[str]]):
    """Which of ``folders``, by their paths below ``base``, are missing or have other modes.

    One that is a link, or belongs to another user, is left alone: it is the owner's own doing.
    """

    default = list

    def command(self, base: str, owner: str, folders: Mapping[str, Folder]) -> StringCommand:
        # Before the base, the owner or Python is there, all of them are missing.
        missing = QuoteString("\n".join(folders))
        checked = folders_command("check", base, owner, folders)
        return StringCommand(checked, "2>/dev/null || printf '%s\\n'", missing)

    def process(self, output: list[str]) -> list[str]:
        return output
