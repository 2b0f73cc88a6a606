"""Copies of the project to run it from: what happens there is nobody else's."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from tests.lab.paths import PROJECT

# What a deployment reads must come along, but nobody's own secrets.
_NOT_COPIED = shutil.ignore_patterns("__pycache__", ".secrets.env", "*.plain.env", "keys")


def copy_project(folder: Path, also: Sequence[str] = ()) -> None:
    """Copy what a deployment needs into a folder, and ``also``: names of more files and folders."""
    for source in PROJECT.iterdir():
        package = (source / "__init__.py").exists() and source.name != "tests"
        if source.suffix == ".py" or (source.name in also and source.is_file()):
            shutil.copy2(source, folder)
        elif package or source.name in also:
            shutil.copytree(source, folder / source.name, ignore=_NOT_COPIED)
