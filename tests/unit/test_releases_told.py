"""What is written down of releases, and what is told of it: also after a crash, and to a record."""

import fcntl
import json
from pathlib import Path

import pytest

from state.record import Release
from tasks.releases.host import __main__ as program
from tasks.releases.host.app import App, Unknown
from tests.unit.releasing import Machine


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine(tmp_path, monkeypatch)
    monkeypatch.setattr(program, "LOCKS", tmp_path / "locks")
    monkeypatch.setattr(App, "read", lambda name: made.app)
    return made


def told(machine: Machine) -> Release:
    """As the record of a deployment takes it."""
    return Release.model_validate(json.loads(json.dumps(program.tell(machine.app))))


def test_before_any_release_nothing_is_told(machine: Machine) -> None:
    assert told(machine) == Release(app="shop", release=None, revision=None, last=None)


def test_what_serves_is_told(machine: Machine) -> None:
    live, found = machine.deploy(), told(machine)
    assert (found.release, found.revision) == (live, machine.app.revision)
    assert found.last and (found.last.event, found.last.release) == ("live", live)


def test_what_failed_is_told_beside_what_serves(machine: Machine) -> None:
    live = machine.deploy()
    machine.change("two")
    machine.fails, machine.says = {"composer install"}, {"composer install": "no such package"}
    machine.fail()
    found = told(machine)
    assert found.release == live and found.last
    assert (found.last.event, found.last.step) == ("bad", "composer")
    assert found.last.output[0] == "no such package" and found.last.release > live


def test_a_first_one_that_failed_is_told(machine: Machine) -> None:
    machine.fails = {"artisan view:cache"}
    machine.fail()
    found = told(machine)
    assert (found.release, found.revision) == (None, None)
    assert found.last and found.last.step == "view:cache"


def test_what_a_rollback_holds_back_is_told(machine: Machine) -> None:
    machine.deploy()
    machine.change("two")
    second = machine.deploy()
    assert told(machine).held is None
    machine.roll_back()
    held = told(machine).held
    assert held and (held.release, held.by) == (second, "ada@laptop")
    assert held.revision == machine.app.revision


def test_a_rollback_is_told(machine: Machine) -> None:
    first = machine.deploy()
    revision = machine.app.revision
    machine.change("two")
    machine.deploy()
    machine.roll_back()
    found = told(machine)
    assert (found.release, found.revision) == (first, revision)
    assert found.last and (found.last.release, found.last.event) == (first, "live")


def test_a_dump_is_told(machine: Machine) -> None:
    machine.change_database("first")
    machine.deploy()
    machine.change_database("second")
    live, found = machine.deploy(), told(machine)
    assert found.last and found.last.dump.endswith(f"{live}.sql.gz")


@pytest.mark.parametrize(
    "rest",
    [b'{"release": "20261123-130000-abc", "ev', b"\0\0\0\0", b"\xff\xfe", b"[1]\n", b'{"a": 1}\n'],
)
def test_a_line_that_was_cut_off_is_passed_over(machine: Machine, rest: bytes) -> None:
    live = machine.deploy()
    with machine.history.path.open("ab") as file:
        file.write(rest)
    assert machine.history.good() == [live]
    machine.change("two")
    second = machine.deploy()
    assert machine.history.good() == [live, second]
    # The line after it is one of its own.
    told = [each.event for each in machine.history.events() if each.release == second]
    assert told == ["made", "live"]


def test_lines_are_for_root_alone(machine: Machine) -> None:
    machine.deploy()
    assert machine.history.path.stat().st_mode & 0o777 == 0o600


def test_the_exit_code_says_whether_it_is_live(machine: Machine) -> None:
    assert program.main(["is-live", "shop"]) == 1
    machine.deploy()
    assert program.main(["is-live", "shop"]) == 0


def test_the_command_tells_in_one_line(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    live = machine.deploy()
    capsys.readouterr()
    assert program.main(["tell", "shop"]) == 0
    [line] = capsys.readouterr().out.splitlines()
    assert json.loads(line)["release"] == live


def test_the_command_says_which_step_failed_and_why(
    machine: Machine, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.deploy()
    capsys.readouterr()
    assert program.main(["rollback", "shop"]) == 1
    said = capsys.readouterr().err
    assert "there is no good release before" in said
    assert said.endswith("shop: the step choose failed\n")


def test_the_command_goes_back(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    first = machine.deploy()
    machine.change("two")
    machine.deploy()
    assert program.main(["choose", "shop"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == first
    assert program.main(["rollback", "shop", first]) == 0
    assert machine.live == first


def test_an_unknown_command_is_refused(machine: Machine) -> None:
    with pytest.raises(SystemExit, match="no command reboot"):
        program.main(["reboot", "shop"])


def test_two_deployments_of_one_application_do_not_meet(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(program, "WAIT_S", -1)
    program.LOCKS.mkdir()
    with (program.LOCKS / "releases-shop.lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert program.main(["deploy", "shop"]) == 1
    assert "being deployed by somebody else" in capsys.readouterr().err
    assert machine.commands == []


def test_one_that_is_not_described_is_unknown(tmp_path: Path) -> None:
    with pytest.raises(Unknown, match="shop is not described"):
        App.read("shop", tmp_path)
