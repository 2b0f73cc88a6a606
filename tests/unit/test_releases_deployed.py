"""A release of an application: live, or everything as it was."""

import base64
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tasks.releases.host import build, commands, deploying, source
from tasks.releases.host.app import App, Confinement
from tests.unit.releasing import FULL, Machine

# Every command of a deployment with a migration, before anybody else gets the release, and the
# step that is named when it fails.
STEPS = {
    "unpack": "fetch",
    "furnish": "files",
    "composer install": "composer",
    "artisan storage:link": "storage:link",
    "artisan config:cache": "config:cache",
    "artisan route:cache": "route:cache",
    "artisan event:cache": "event:cache",
    "chown": "seal",
    "chmod": "seal",
    "find": "seal",
    "mkdir": "view:cache",
    "artisan view:cache": "view:cache",
    "mariadb show tables": "dump",
    "dump": "dump",
    "artisan migrate": "migrate",
    "curl": "health",
}


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


def sick(machine: Machine, *, candidate: bool) -> None:
    """From now on releases that are not there yet do not answer, as candidates or once live."""
    well = machine.releases
    machine.health = lambda release, asked: (
        "500" if release not in well and asked == candidate else "200"
    )


def test_the_first_release_goes_live(machine: Machine) -> None:
    live = machine.deploy()
    assert machine.releases == {live}
    assert live.startswith("20261123-1200") and live.endswith(f"-{machine.app.revision}"[:8])
    assert machine.history.good() == [live]
    assert machine.left_behind() == set()


def test_what_is_live_is_not_released_again(machine: Machine) -> None:
    live = machine.deploy()
    assert deploying.is_live(machine.app)
    machine.commands.clear()
    assert machine.deploy() == live
    assert machine.commands == []


def test_asking_whether_it_is_live_changes_nothing(machine: Machine) -> None:
    assert not deploying.is_live(machine.app)
    assert (machine.commands, machine.releases) == ([], set())
    assert not machine.app.current.is_symlink()


@pytest.mark.parametrize("what", ["files", "settings", "php"])
def test_another_release_is_made_of_anything_else(machine: Machine, what: str) -> None:
    first = machine.deploy()
    if what == "files":
        machine.change("two")
    elif what == "settings":
        (machine.app.shared / ".env").write_text("APP_KEY=two\n")
    else:
        machine.app = machine.described(php="/usr/bin/php8.3")
    assert not deploying.is_live(machine.app)
    second = machine.deploy()
    assert first < second and machine.releases == {first, second}
    assert machine.history.good() == [first, second]


def test_a_release_has_what_all_have_in_common(machine: Machine) -> None:
    release = machine.app.releases / machine.deploy()
    assert (release / "storage").readlink() == machine.app.shared / "storage"
    assert (release / ".env").readlink() == machine.app.shared / ".env"
    assert (release / ".release").read_text() == f"{release.name}\n"
    assert (release / "vendor/autoload.php").exists()
    assert not (release / "bootstrap/cache/services.php").exists()


def test_cached_secrets_are_for_the_application_alone(machine: Machine) -> None:
    release = machine.app.releases / machine.deploy()
    cached = release / "bootstrap/cache/config.php"
    assert "APP_KEY=one" in cached.read_text()
    assert cached.stat().st_mode & 0o777 == 0o640


def test_it_is_built_by_its_build_user_and_sealed_before_its_own_user_sees_it(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[tuple[str, str]] = []
    real = commands.run_confined

    def spy(step: str, app: App, who: Confinement, command: list[str], **options: Any) -> str:
        ran.append((who.user, step))
        return real(step, app, who, command, **options)

    for module in (build, commands, source):
        monkeypatch.setattr(module, "run_confined", spy)
    machine.deploy()
    steps = ["fetch", "files", "composer", "storage:link", "config:cache", "route:cache"]
    assert ran[:7] == [("_shop", step) for step in [*steps, "event:cache"]]
    assert {user for user, _ in ran[7:]} == {"shop"}
    sealed = machine.commands.index("chown")
    assert machine.commands.index("artisan event:cache") < sealed
    assert sealed < machine.commands.index("artisan view:cache") < machine.commands.index("curl")


def test_an_application_without_composer_needs_none(machine: Machine) -> None:
    (machine.files / "composer.json").unlink()
    machine.app = machine.described()
    machine.deploy()
    assert "composer install" not in machine.commands


def test_it_is_tried_out_before_and_watched_after_the_switch(machine: Machine) -> None:
    machine.deploy()
    words = [each for each in machine.commands if each.startswith(("curl", "systemctl"))]
    assert words == [
        "curl",  # as a candidate
        "systemctl reload",
        *["curl"] * 3,
        *("systemctl show", "systemctl restart"),
    ]


def test_workers_restart_together_but_those_that_do_not_run(machine: Machine) -> None:
    units = [f"shop-worker-{number}.service" for number in (1, 2, 3)]
    machine.app = machine.described(workers=tuple(units))
    machine.states = {units[1]: "inactive"}
    machine.deploy()
    assert ["systemctl", "restart", units[0], units[2]] in machine.command_lines


def test_no_worker_is_restarted_if_none_runs(machine: Machine) -> None:
    machine.states = dict.fromkeys(machine.app.workers, "inactive")
    machine.deploy()
    assert "systemctl restart" not in machine.commands


def test_every_step_before_the_switch_can_fail(machine: Machine) -> None:
    """That the list of steps below is whole."""
    machine.change_database("first")
    machine.deploy()
    machine.commands.clear()
    machine.change_database("second")
    machine.deploy()
    tried = machine.commands[: machine.commands.index("systemctl reload")]
    # Without a table of migrations there is no status of them: that is no failure. Nor is it one
    # that there is no mark of `artisan down`.
    assert set(tried) - {"artisan migrate:status", "test"} == set(STEPS)


@pytest.mark.parametrize("command", STEPS)
def test_what_fails_leaves_the_one_before_live(machine: Machine, command: str) -> None:
    machine.change_database("first")
    before = machine.deploy()
    machine.fails, machine.says = {command}, {command: "something is\nnot right"}
    machine.change_database("second")
    failure = machine.fail()
    assert failure.step == STEPS[command]
    assert machine.live == before
    last = machine.last()
    assert (last.event, last.step, last.release > before) == ("bad", STEPS[command], True)
    assert "not right" in last.output
    assert machine.history.good() == [before]
    assert machine.left_behind() == set()


# Of an empty database no dump is made.
@pytest.mark.parametrize("command", [each for each in STEPS if each != "dump"])
def test_a_first_release_that_fails_leaves_nothing_live(machine: Machine, command: str) -> None:
    machine.fails = {command}
    machine.change_database("first")
    machine.fail()
    assert not machine.app.current.is_symlink()
    assert machine.history.good() == []
    machine.fails = set()
    live = machine.deploy()
    assert machine.releases == {live}


def test_what_has_failed_is_tried_again(machine: Machine) -> None:
    before = machine.deploy()
    machine.change("two")
    machine.fails = {"composer install"}
    machine.fail()
    bad = machine.releases - {before}
    machine.fails = set()
    live = machine.deploy()
    assert machine.releases == {before, live} and not bad & machine.releases


def test_an_unhealthy_candidate_is_seen_by_nobody(machine: Machine) -> None:
    before = machine.deploy()
    machine.change("two")
    sick(machine, candidate=True)
    machine.commands.clear()
    assert machine.fail().step == "health"
    assert machine.live == before
    assert "systemctl reload" not in machine.commands
    assert machine.commands.count("curl") == 3
    assert "status 500" in machine.last().output


def test_one_that_is_unhealthy_once_it_serves_is_taken_back(machine: Machine) -> None:
    before = machine.deploy()
    machine.change("two")
    sick(machine, candidate=False)
    assert machine.fail().step == "health after the switch"
    assert machine.live == before
    assert [each.event for each in machine.history.events()][-2:] == ["made", "bad"]
    assert machine.history.good() == [before]


def test_a_first_one_that_is_unhealthy_once_it_serves_serves_no_more(machine: Machine) -> None:
    sick(machine, candidate=False)
    assert machine.fail().step == "health after the switch"
    assert not machine.app.current.is_symlink()


def test_a_reload_that_fails_takes_it_back(machine: Machine) -> None:
    before = machine.deploy()
    machine.change("two")
    machine.fails = {"systemctl reload"}
    assert machine.fail().step == "reload"
    assert machine.live == before


def test_one_failing_answer_after_the_switch_is_no_failure(machine: Machine) -> None:
    before = machine.deploy()
    machine.change("two")
    answers = iter(["200", "502", "200", "200", "200"])
    machine.health = lambda release, candidate: next(answers)
    assert machine.deploy() > before


def test_a_full_disk_is_told_before_anything_is_made(machine: Machine) -> None:
    before = machine.deploy()
    machine.change("two")
    machine.usage = SimpleNamespace(total=100 << 30, used=100 << 30, free=99 << 20)
    machine.commands.clear()
    failure = machine.fail()
    assert failure.step == "room" and "99 MB are free for a release" in failure.output[0]
    assert (machine.commands, machine.releases, machine.live) == ([], {before}, before)


def test_a_failed_release_stays_for_a_look_unless_room_is_short(machine: Machine) -> None:
    machine.fails = {"composer install"}
    machine.fail()
    assert len(machine.releases) == 1
    machine.usage = FULL
    machine.fail()
    assert machine.releases == set()
    assert machine.left_behind() == set()


def test_output_is_limited(machine: Machine) -> None:
    machine.fails = {"composer install"}
    machine.says = {"composer install": "\n".join(f"line {n}" for n in range(1000))}
    failure = machine.fail()
    assert len(failure.output) == 40 and len(machine.last().output) == 20
    assert "line 999" in machine.last().output


def test_files_that_arrive_cut_off_are_not_released(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = machine.deploy()
    machine.change("two")
    whole = base64.b64decode
    monkeypatch.setattr(base64, "b64decode", lambda text: whole(text)[:-20])
    failure = machine.fail()
    assert failure.step == "fetch" and "did not arrive whole" in failure.output[0]
    assert machine.live == before


def test_the_newest_good_releases_are_kept(machine: Machine) -> None:
    made = []
    for word in ("one", "two", "three", "four", "five"):
        machine.change(word)
        made.append(machine.deploy())
    assert machine.releases == set(made[-3:])
    assert machine.history.good() == made[-3:]
    assert machine.left_behind() == set()


def test_a_failed_release_takes_no_good_ones_place(machine: Machine) -> None:
    made = []
    for word in ("one", "two", "three"):
        machine.change(word)
        made.append(machine.deploy())
    for word in ("four", "five", "six"):
        machine.change(word)
        machine.fails = {"artisan view:cache"}
        machine.fail()
    assert machine.history.good() == made
    machine.fails = set()
    assert machine.deploy() in machine.releases
    assert machine.history.good()[:2] == made[1:]


def test_a_folder_above_that_is_a_link_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "www").symlink_to("disk")
    machine = Machine(tmp_path / "www", monkeypatch)
    first = machine.deploy()
    machine.change("two")
    second = machine.deploy()
    machine.roll_back()
    machine.fails = {"composer install"}
    machine.change("three")
    machine.fail()
    assert machine.live == first and {first} <= machine.releases
    assert second not in machine.history.good()
