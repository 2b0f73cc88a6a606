"""Looking for secrets wherever a deployment leaves something."""

import os
import stat
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from tests.e2e.machines import answer
from tests.e2e.platform import Platform
from tests.e2e.watching import disguises
from tests.lab import Lab


class Place(NamedTuple):
    """A file on a machine that holds a secret: who may read it."""

    machine: str
    path: str
    owner: str
    group: str
    mode: str


def found_in(content: bytes, secrets: Mapping[str, str]) -> set[str]:
    """The names of the secrets that show in ``content``, however they are written."""
    return {
        name
        for name, value in secrets.items()
        if any(disguise in content for disguise in disguises(value))
    }


def leaks_here(platform: Platform, secrets: Mapping[str, str]) -> set[tuple[str, str]]:
    """The (file, secret) pairs of the project's folder: records, logs, everything."""
    return {
        (str(path.relative_to(platform.project.folder)), name)
        for path in platform.project.folder.rglob("*")
        if path.is_file()
        for name in found_in(path.read_bytes(), secrets)
    }


def places(lab: Lab, secrets: Mapping[str, str]) -> set[Place]:
    """Every file that a machine's disk got since it was fresh, if a secret is in it.

    The whole upper layer of the disk is read: /etc, /home, /root, /tmp, /var, …
    """
    # Each line of a pattern would be one of its own: an empty one, or a key's first.
    ways = {each for value in secrets.values() for each in disguises(value) if b"\n" not in each}
    patterns = b"\n".join(ways)
    return {
        _place(lab, machine.name, Path(path))
        for machine in lab.machines
        for path in _grep(patterns, lab.upper(machine.name))
    }


def _grep(patterns: bytes, folder: Path) -> list[str]:
    """The files with one of the patterns; they come by standard input: no process list has them."""
    done = subprocess.run(
        ["grep", "-rlaF", "--devices=skip", "-f", "-", str(folder)],
        input=patterns,
        capture_output=True,
        env={"LC_ALL": "C", "PATH": os.defpath},
    )
    assert done.returncode in (0, 1), done.stderr
    return done.stdout.decode().splitlines()


def _place(lab: Lab, machine: str, path: Path) -> Place:
    inside = f"/{path.relative_to(lab.upper(machine))}"
    shown = answer(lab, machine, f"stat -c '%U %G' {inside!r}").split()
    return Place(machine, inside, shown[0], shown[1], f"{stat.S_IMODE(path.stat().st_mode):o}")


def journals(lab: Lab, secrets: Mapping[str, str]) -> set[tuple[str, str]]:
    """The (machine, secret) pairs of the journals; on disk they are compressed."""
    return {
        (machine.name, name)
        for machine in lab.machines
        for name in found_in(
            answer(lab, machine.name, "journalctl --no-pager -o export").encode(), secrets
        )
    }


def readable_by_all(lab: Lab, machine: str, word: str) -> str:
    """What lies in memory-backed file systems, is open to every user, and has ``word`` in it."""
    return answer(
        lab,
        machine,
        "find /run /dev/shm -xdev -type f -perm -004 -size -1024k -print0 2>/dev/null"
        f" | xargs -0r grep -laF {word} 2>/dev/null; true",
    )
