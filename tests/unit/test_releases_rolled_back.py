"""Back to an earlier release: which one, and what happens when it does not work any more."""

import json
from pathlib import Path

import pytest

from tasks.releases.host import deploying
from tasks.releases.host.commands import Failed
from tasks.releases.host.rolling_back import choose
from tests.unit.releasing import Machine


class Interrupted(BaseException):
    """As Ctrl-C, or a signal."""


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


@pytest.fixture
def three(machine: Machine) -> list[str]:
    """The names of three good releases, of which the last one serves."""
    made = []
    for word in ("one", "two", "three"):
        machine.change(word)
        made.append(machine.deploy())
    return made


def refusal(machine: Machine, name: str | None) -> str:
    before = machine.app.current.resolve()
    with pytest.raises(Failed) as failure:
        machine.roll_back(name)
    assert machine.app.current.resolve() == before
    assert failure.value.step == "choose"
    return "\n".join(failure.value.output)


def test_it_goes_back_to_the_newest_good_one_before(machine: Machine, three: list[str]) -> None:
    assert machine.roll_back() == three[1]
    assert machine.roll_back() == three[0]
    assert [each.event for each in machine.history.events()][-4:] == ["left", "live"] * 2


def test_it_passes_over_what_failed(machine: Machine) -> None:
    good = machine.deploy()
    machine.change("two")
    machine.fails = {"composer install"}
    machine.fail()
    machine.fails = set()
    machine.change("three")
    machine.deploy()
    assert machine.roll_back() == good


def test_it_goes_to_the_one_that_is_named(machine: Machine, three: list[str]) -> None:
    assert machine.roll_back(three[0]) == three[0]


def test_what_is_newer_than_what_serves_is_never_chosen(machine: Machine, three: list[str]) -> None:
    machine.roll_back(three[0])
    assert machine.history.good() == three[:2]
    assert refusal(machine, None) == f"there is no good release before {three[0]}"


def test_what_was_left_can_be_gone_to_by_its_name_alone(machine: Machine, three: list[str]) -> None:
    machine.roll_back()
    assert three[2] not in machine.history.good()
    assert machine.roll_back(three[2]) == three[2]
    assert machine.history.good() == [three[0], three[2]]


def test_choosing_changes_nothing(machine: Machine, three: list[str]) -> None:
    machine.commands.clear()
    assert choose(machine.app, machine.history, None) == three[1]
    assert (machine.commands, machine.live) == ([], three[2])


def test_without_a_release_there_is_nothing_to_go_back_from(machine: Machine) -> None:
    with pytest.raises(Failed) as failure:
        machine.roll_back()
    assert failure.value.output == ["shop has no release yet"]


def test_without_an_earlier_one_there_is_nothing_to_go_back_to(machine: Machine) -> None:
    only = machine.deploy()
    assert refusal(machine, None) == f"there is no good release before {only}"


def test_what_serves_is_no_release_to_go_back_to(machine: Machine, three: list[str]) -> None:
    assert refusal(machine, three[2]) == f"{three[2]} serves already"


@pytest.mark.parametrize("name", ["20200101-000000-abcdef0", "../..", ""])
def test_an_unknown_one_is_refused_with_those_that_there_are(
    machine: Machine, three: list[str], name: str
) -> None:
    said = refusal(machine, name)
    assert said == f"there is no good release {name}; there is: {three[0]}, {three[1]}"


def test_a_bad_one_is_refused(machine: Machine) -> None:
    good = machine.deploy()
    machine.change("two")
    machine.fails = {"composer install"}
    machine.fail()
    [bad] = machine.releases - {good}
    assert refusal(machine, bad).endswith("there is: none")


def test_one_whose_folder_is_gone_is_refused(machine: Machine, three: list[str]) -> None:
    (machine.app.releases / three[1]).rename(machine.folder / "elsewhere")
    assert three[1] not in refusal(machine, three[1]).partition("there is: ")[2]
    assert machine.roll_back() == three[0]


def test_it_finds_the_settings_of_now(machine: Machine, three: list[str]) -> None:
    (machine.app.shared / ".env").write_text("REDIS_PASSWORD=new\n")
    release = machine.app.releases / machine.roll_back()
    cached = release / "bootstrap/cache/config.php"
    assert cached.read_text() == "REDIS_PASSWORD=new\n"
    assert cached.stat().st_mode & 0o777 == 0o640


def test_one_whose_settings_cannot_be_cached_is_not_gone_to(
    machine: Machine, three: list[str]
) -> None:
    machine.fails = {"artisan config:cache"}
    with pytest.raises(Failed) as failure:
        machine.roll_back()
    assert (failure.value.step, machine.live) == ("config:cache", three[2])


@pytest.mark.parametrize("candidate", [True, False])
def test_one_that_works_no_more_is_not_gone_to(
    machine: Machine, three: list[str], candidate: bool
) -> None:
    machine.health = lambda release, asked: (
        "500" if (release, asked) == (three[1], candidate) else "200"
    )
    with pytest.raises(Failed):
        machine.roll_back()
    assert machine.live == three[2]
    assert machine.last().release == three[2]
    assert machine.left_behind() == set()


def test_workers_go_back_too(machine: Machine, three: list[str]) -> None:
    machine.commands.clear()
    machine.roll_back()
    assert ["systemctl", "restart", *machine.app.workers] in machine.command_lines


def test_what_was_left_is_removed_once_another_release_is_live(
    machine: Machine, three: list[str]
) -> None:
    machine.roll_back()
    machine.change("four")
    live = machine.deploy()
    assert live > three[2]
    assert machine.history.good()[-1] == live and three[2] not in machine.releases


def test_what_is_gone_back_to_is_known_by_its_revision(machine: Machine, three: list[str]) -> None:
    made = machine.history.details(three[1])
    machine.roll_back()
    assert machine.last().revision == made["revision"] != ""
    assert machine.last().inputs == made["inputs"] != ""


def test_killed_right_after_the_switch_it_still_has_its_revision(
    machine: Machine, three: list[str]
) -> None:
    """Also one that was left before: what was last said of it does not know."""
    machine.roll_back()

    def interrupt(name: str) -> None:
        if name == "systemctl reload":
            raise Interrupted

    machine.before = interrupt
    with pytest.raises(Interrupted):
        machine.roll_back(three[2])
    machine.before = lambda name: None
    machine.commands.clear()
    assert machine.deploy() == three[2]
    assert "composer install" not in machine.commands
    assert machine.last().revision == machine.app.revision


def test_a_deployment_leaves_a_rollback_as_it_is(machine: Machine, three: list[str]) -> None:
    machine.roll_back()
    machine.commands.clear()
    assert deploying.is_live(machine.app)
    assert machine.deploy() == three[1]
    assert "composer install" not in machine.commands
    assert three[2] in machine.releases


def test_a_rollback_over_several_releases_holds_back_all_of_them(
    machine: Machine, three: list[str]
) -> None:
    revisions = [machine.history.details(name)["revision"] for name in three]
    machine.roll_back()
    machine.roll_back()
    for revision in revisions:
        machine.app = machine.described(revision=revision)
        assert deploying.is_live(machine.app)
    machine.app = machine.described(revision=revisions[2])
    assert machine.deploy() == three[0]


def test_a_newer_commit_ends_a_rollback(machine: Machine, three: list[str]) -> None:
    machine.roll_back()
    bad = machine.app
    machine.change("four")
    assert not deploying.is_live(machine.app)
    newest = machine.deploy()
    assert newest > three[2] and deploying.held_back(machine.history) is None
    # From now on the operator's word counts: that commit is wanted once more.
    machine.change("three")
    assert machine.app.revision == bad.revision
    assert not deploying.is_live(machine.app)


def test_a_newer_commit_that_is_bad_ends_no_rollback(machine: Machine, three: list[str]) -> None:
    machine.roll_back()
    left = machine.app
    machine.change("four")
    machine.fails = {"composer install"}
    machine.fail()
    machine.fails = set()
    machine.change("three")
    assert machine.app.revision == left.revision and deploying.is_live(machine.app)


def test_to_go_to_what_was_left_ends_a_rollback(machine: Machine, three: list[str]) -> None:
    machine.roll_back()
    machine.roll_back(three[2])
    assert deploying.held_back(machine.history) is None
    assert deploying.is_live(machine.app)


def test_new_settings_reach_the_release_that_was_gone_back_to(
    machine: Machine, three: list[str]
) -> None:
    machine.roll_back()
    (machine.app.shared / ".env").write_text("APP_KEY=two\n")
    assert not deploying.is_live(machine.app)
    assert machine.deploy() == three[1]
    cached = machine.app.releases / three[1] / "bootstrap/cache/config.php"
    assert cached.read_text() == "APP_KEY=two\n"
    assert deploying.is_live(machine.app)
    held = deploying.held_back(machine.history)
    assert held and (held.release, held.by) == (three[2], "ada@laptop")


def test_a_rollback_of_before_this_was_written_down_holds_as_well(
    machine: Machine, three: list[str]
) -> None:
    machine.roll_back()
    path = machine.history.path
    events = [json.loads(line) for line in path.read_text().splitlines()]
    for event in events:
        del event["by"]
        if event["event"] == "left":
            event["revision"] = ""
    path.write_text("".join(json.dumps(event) + "\n" for event in events))
    assert deploying.is_live(machine.app)
    held = deploying.held_back(machine.history)
    assert held and (held.revision, held.by) == (machine.app.revision, "somebody")
