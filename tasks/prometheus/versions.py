"""Differences between the releases of Prometheus that this project has to know."""

import re
from collections.abc import Iterable

from tasks.prometheus.places import RELEASES

# Releases from 3.8 on read the retention from the configuration file, but up to 3.10 they keep data
# a million times longer than the file says; 3.11 fixed that, by its changelog.
RETENTION_IN_FILE_SINCE = "3.11.0"
# The oldest release that its makers allow after a release of series 3: it knows the new format of
# the index.
OLDEST_AFTER_3 = "2.55.0"
_RELEASE = re.compile(r"(\d+)\.(\d+)\.(\d+)(-.+)?")


def order(version: str) -> tuple[int, int, int, bool]:
    """Sort key of a release number: a release candidate comes before its release.

    Raises:
        ValueError: It is no release number.
    """
    match = _RELEASE.fullmatch(version)
    if not match:
        raise ValueError(f"{version!r} is no release of Prometheus")
    return int(match[1]), int(match[2]), int(match[3]), not match[4]


def reads_retention_from_file(version: str) -> bool:
    """Whether a release takes the retention from its configuration file, and does so correctly."""
    return order(version) >= order(RETENTION_IN_FILE_SINCE)


def is_unsupported_step_back(installed: str, wanted: str) -> bool:
    """Whether the makers support no way from one release to the other."""
    return order(installed) >= (3, 0, 0, False) and order(wanted) < order(OLDEST_AFTER_3)


def started_by(unit: Iterable[str]) -> str:
    """The release that the lines of our unit file start; empty for a unit of somebody else."""
    programs = re.compile(rf"ExecStart={re.escape(RELEASES)}/([^/ ]+)/prometheus\b")
    releases = [match[1] for line in unit if (match := programs.match(line))]
    return releases[0] if releases and _RELEASE.fullmatch(releases[0]) else ""
