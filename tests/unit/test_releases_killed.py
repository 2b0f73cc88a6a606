"""A deployment that is ended in its midst: the next one puts right what it left behind."""

import hashlib
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from configs.paths import PROJECT
from tasks.releases.host import deploying, serving
from tests.unit.releasing import Machine

PROGRAM = str(PROJECT / "tasks/releases/host")


class Interrupted(BaseException):
    """As Ctrl-C, or a signal."""


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """With one good release and one that failed; another one is wanted."""
    made = Machine(tmp_path, monkeypatch)
    made.change_database("first")
    made.deploy()
    made.change_database("bad")
    made.fails = {"curl"}
    made.fail()
    made.fails = set()
    made.change_database("second")
    return made


def states_of(machine: Machine, act: Callable[[], Any], kept: Path) -> list[Path]:
    """Copies of the machine's disk as each line of the program finds it, in order.

    What is killed there leaves the disk so.
    """
    seen: dict[str, Path] = {}

    def trace(frame: FrameType, event: str, _: object) -> Any:
        if not frame.f_code.co_filename.startswith(PROGRAM):
            return None
        if event == "line" and (now := _digest(machine.folder)) not in seen:
            seen[now] = kept / str(len(seen))
            shutil.copytree(machine.folder, seen[now], symlinks=True)
        return trace

    sys.settrace(trace)
    try:
        act()
    finally:
        sys.settrace(None)
    return list(seen.values())


def _digest(folder: Path) -> str:
    found = hashlib.sha256()
    for here, folders, names in os.walk(folder):
        for name in sorted([*folders, *names]):
            path = os.path.join(here, name)
            found.update(f"{path} {os.lstat(path).st_mode}\n".encode())
            if os.path.islink(path):
                found.update(os.readlink(path).encode())
            elif os.path.isfile(path):
                with open(path, "rb") as file:
                    found.update(file.read())
    return found.hexdigest()


def restore(machine: Machine, kept: Path) -> None:
    """The machine's disk as it was then."""
    shutil.rmtree(machine.folder)
    shutil.copytree(kept, machine.folder, symlinks=True)
    machine.commands.clear()


def check_whole(machine: Machine, before: str) -> str:
    """That visitors have a whole release, and that another deployment converges; what is live."""
    after_kill = machine.live
    assert (machine.app.releases / after_kill / "vendor/autoload.php").exists()
    live = machine.deploy()
    made = "composer install" in machine.commands
    assert made == (after_kill == before), "made twice, or not at all"
    assert machine.releases == {before, live} and live > before
    assert machine.history.good() == [before, live]
    assert machine.left_behind() == set()
    assert deploying.is_live(machine.app)
    return live


def test_killed_anywhere_the_next_deployment_converges(
    machine: Machine, tmp_path_factory: pytest.TempPathFactory
) -> None:
    before = machine.live
    states = states_of(machine, machine.deploy, tmp_path_factory.mktemp("kept"))
    assert len(states) > 20
    for state in states:
        restore(machine, state)
        check_whole(machine, before)


def test_killed_anywhere_while_it_goes_back_the_one_before_serves_in_the_end(
    machine: Machine, tmp_path_factory: pytest.TempPathFactory
) -> None:
    before = machine.live
    machine.health = lambda release, asked: "200" if asked or release == before else "500"
    for state in states_of(machine, machine.fail, tmp_path_factory.mktemp("kept")):
        restore(machine, state)
        machine.fail()
        assert machine.live == before
        assert machine.history.good() == [before]


def test_interrupted_at_any_command_the_next_deployment_converges(machine: Machine) -> None:
    before = machine.live
    machine.commands.clear()
    kept = machine.folder.with_name("kept")
    shutil.copytree(machine.folder, kept, symlinks=True)
    machine.deploy()
    for number in range(len(machine.commands)):
        restore(machine, kept)

        def interrupt(_: str, at: int = number) -> None:
            if len(machine.commands) == at:
                raise Interrupted

        machine.before = interrupt
        with pytest.raises(Interrupted):
            machine.deploy()
        machine.before = lambda name: None
        machine.commands.clear()
        check_whole(machine, before)


def test_killed_right_after_the_switch_a_release_that_works_is_not_made_again(
    machine: Machine,
) -> None:
    before = machine.live

    def interrupt(name: str) -> None:
        if name == "systemctl reload":
            raise Interrupted

    machine.before = interrupt
    with pytest.raises(Interrupted):
        machine.deploy()
    machine.before = lambda name: None
    switched_to = machine.live
    assert switched_to > before and not deploying.is_live(machine.app)
    machine.commands.clear()
    assert machine.deploy() == switched_to
    assert "systemctl reload" in machine.commands and "composer install" not in machine.commands
    last = machine.last()
    assert (last.event, last.revision) == ("live", machine.app.revision)
    assert last.dump.endswith(f"{switched_to}.sql.gz")


def test_killed_right_after_the_switch_a_release_that_does_not_work_is_left(
    machine: Machine,
) -> None:
    before = machine.live

    def interrupt(name: str) -> None:
        if name == "systemctl reload":
            raise Interrupted

    machine.before = interrupt
    with pytest.raises(Interrupted):
        machine.deploy()
    machine.before = lambda name: None
    bad = machine.live
    machine.health = lambda release, asked: "500" if release == bad else "200"
    live = machine.deploy()
    assert live not in (before, bad)
    assert machine.releases == {before, live}
    assert {each.event for each in machine.history.events() if each.release == bad} == {
        "migrating",
        "migrated",
        "made",
        "bad",
    }


def test_a_first_deployment_that_is_killed_right_after_the_switch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine(tmp_path, monkeypatch)

    def interrupt(name: str) -> None:
        if name == "systemctl reload":
            raise Interrupted

    machine.before = interrupt
    with pytest.raises(Interrupted):
        machine.deploy()
    machine.before = lambda name: None
    bad = machine.live
    machine.health = lambda release, asked: "500" if release == bad else "200"
    assert machine.deploy() > bad
    machine.health = lambda release, asked: "500"
    machine.change("two")
    machine.fail()
    assert serving.live(machine.app) is not None
