"""The pinned versions of configs/versions.yaml, read without any package beside Python's own."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cmp_to_key

from tests.lab import paths
from tests.lab.shell import LabError, run


def pinned(package: str) -> str:
    """The pinned version of a package.

    Raises:
        LabError: There is no such pin.
    """
    text = (paths.PROJECT / "configs" / "versions.yaml").read_text()
    found = re.search(rf'(?m)^  {package}:\n    version: "([^"]+)"$', text)
    if not found:
        raise LabError(f"configs/versions.yaml pins no {package}")
    return found[1]


def newest_first(versions: Iterable[str]) -> list[str]:
    """Versions of a package in the order of dpkg."""
    return sorted(versions, key=cmp_to_key(_compare), reverse=True)


def _compare(left: str, right: str) -> int:
    if left == right:
        return 0
    older = run("dpkg", "--compare-versions", left, "lt", right, check=False)
    return -1 if older.returncode == 0 else 1
