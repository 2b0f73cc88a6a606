"""Killed at any moment, and with no room left: the next run makes of the machines what it should.

These take most of an hour, so all are drills. CHOM_DRILL_KILLS: at how many moments (25).
"""

import os
import random
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from state.record import Record
from tests.e2e.machines import answer
from tests.e2e.platform import Platform
from tests.e2e.project import DEPLOY, changed
from tests.e2e.states import State, state_of, unlike

KILLS = int(os.environ.get("CHOM_DRILL_KILLS", "25"))
# The moments are others each time; with this one a run can be repeated.
SEED = int(os.environ.get("CHOM_DRILL_SEED", time.time_ns() % 1_000_000))

pytestmark = pytest.mark.drill


@pytest.fixture(scope="module")
def wanted(platform: Platform) -> tuple[dict[str, State], float]:
    """What an uninterrupted deployment makes of fresh machines, and its seconds."""
    platform.refresh()
    began = time.monotonic()
    platform.converge()
    took = time.monotonic() - began
    return _states(platform), took


def test_killed_at_any_moment_it_converges(
    platform: Platform, wanted: tuple[dict[str, State], float]
) -> None:
    states, took_s = wanted
    moments = random.Random(SEED)
    print(f"seed {SEED}, an uninterrupted deployment takes {took_s:.0f} s")
    for number in range(KILLS):
        platform.refresh()
        known = len(platform.project.records())
        command = platform.project.start(*DEPLOY, "-y")
        moment = moments.uniform(0.5, took_s)
        time.sleep(moment)
        command.kill()
        print(f"{number + 1} of {KILLS}: killed after {moment:.1f} s", flush=True)

        platform.converge()
        _nothing_is_open_or_twice(platform.project.records()[known:])
        found = _states(platform)
        for machine, state in states.items():
            assert unlike(state, found[machine]) == {}, (machine, moment, SEED)
    assert changed(platform.converge()) == {}
    verified = platform.project.state_command("verify")
    assert verified.code == 0, verified


def test_a_target_without_room_fails_alone_and_goes_on_when_there_is_some(
    platform: Platform, wanted: tuple[dict[str, State], float]
) -> None:
    platform.refresh()
    archives = "/var/cache/apt/archives"
    answer(platform.lab, "vpsmanager", f"mount -t tmpfs -o size=20m tmpfs {archives}")
    outcome = platform.deploy()
    assert outcome.code == 1, outcome
    assert "enough free space" in outcome.text
    targets = platform.project.record().targets
    assert targets["vpsmanager"].status == "failed"
    assert targets["observability"].status == "completed"
    answer(platform.lab, "vpsmanager", f"umount {archives}")
    platform.converge()
    for machine, state in wanted[0].items():
        assert unlike(state, state_of(platform.lab, machine)) == {}, machine


def test_a_controller_without_room_stops_and_goes_on_when_there_is_some(
    deployed: Platform,
) -> None:
    project = deployed.project
    records = project.records()
    with _small_disk(project.state, size_kb=256):
        outcome = project.deploy("-y")
        assert outcome.code == 1, outcome
        assert "could not be written" in outcome.text
        assert "make room for .deploy-state" in outcome.text
    assert project.records() == records
    assert changed(deployed.converge()) == {}
    assert {record.status for record in project.records()[len(records) :]} == {"completed"}


def _states(platform: Platform) -> dict[str, State]:
    return {each.name: state_of(platform.lab, each.name) for each in platform.lab.machines}


def _nothing_is_open_or_twice(records: list[Record]) -> None:
    assert {record.status for record in records} <= {"interrupted", "completed"}
    for name in {name for record in records for name in record.targets}:
        created = Counter(
            (component, each.kind, each.name)
            for record in records
            if name in record.targets
            for component, found in record.targets[name].components.items()
            for each in found.created
        )
        assert [each for each, times in created.items() if times > 1] == []


@contextmanager
def _small_disk(folder: Path, size_kb: int) -> Iterator[None]:
    """Nothing but a small and almost full disk at ``folder``; what was there comes back."""
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size_kb}k", "tmpfs", str(folder)]
    subprocess.run(mount, check=True)
    try:
        (folder / "somebody-elses").write_bytes(bytes((size_kb - 12) * 1024))
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)
