"""Folders below one that another user may change."""

from collections.abc import Mapping

from pyinfra import host
from pyinfra.api import operation

from facts.folders import DifferingFolders, Folder, folders_command
from tasks.effects import tell
from tasks.operations.commands import Commands


@operation()
def make_user_folders(base: str, owner: str, folders: Mapping[str, Folder]) -> Commands:
    """Have folders of a user's below a folder that the user may change, following no link.

    + base: the folder, whose own parents are root's
    + folders: group and mode of each, by its path below ``base``; outer ones first
    """
    differing = host.get_fact(DifferingFolders, base=base, owner=owner, folders=dict(folders))
    if differing:
        for path in differing:
            tell("change", f"{base}/{path}")
        yield folders_command("change", base, owner, folders)
