"""Two operators: one deploy at a time, whoever is killed, and one history in the end."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.e2e.command import Command
from tests.e2e.machines import answer
from tests.e2e.platform import Platform
from tests.e2e.polling import wait_for
from tests.e2e.project import ALONE, DEPLOY, LIMIT_S, Project

HELD = "is held by"
# In which a run that has nothing to do, and asks one by one, is in the middle of it.
BEGUN = "mariadb (4 of"


@pytest.fixture(scope="module")
def colleague(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """Another checkout of the same project, with the same secrets and its own history."""
    other = Project(tmp_path_factory.mktemp("colleague"), platform.lab)
    other.secrets_env = platform.project.secrets_env
    yield other
    other.kill_all()


def test_of_two_at_the_same_instant_one_runs(deployed: Platform, colleague: Project) -> None:
    _race(deployed, colleague, rounds=2)


@pytest.mark.drill
def test_of_two_at_the_same_instant_one_runs_every_time(
    deployed: Platform, colleague: Project
) -> None:
    _race(deployed, colleague, rounds=20)


def test_who_waits_comes_second(deployed: Platform, colleague: Project) -> None:
    first = deployed.project.start(*DEPLOY, "-y", "--data", "message=the first", env=ALONE)
    with _halted(first):
        message = ("--data", "message=the second")
        second = colleague.start(*DEPLOY, "-y", "--data", "lock_wait=120", *message)
        wait_for("the second", lambda: not second.running() or "waiting:" in second.printed())
    assert first.wait(LIMIT_S).code == 0
    outcome = second.wait(LIMIT_S)
    assert outcome.code == 0, outcome
    assert f"waiting: observability {HELD}" in outcome.text
    assert '"the first"' in outcome.text
    assert deployed.project.record().message == "the first"
    assert colleague.record().message == "the second"
    ended = deployed.project.record().completed_at
    assert ended is not None and ended <= (colleague.record().completed_at or "")


def test_a_killed_run_is_in_nobodys_way(deployed: Platform, colleague: Project) -> None:
    command = deployed.project.start(*DEPLOY, "-y", env=ALONE)
    _wait_until_begun(command)
    command.kill()
    began = time.monotonic()
    outcome = colleague.deploy("-y")
    assert outcome.code == 0, outcome
    assert HELD not in outcome.text
    assert time.monotonic() - began < 60  # no lease had to run out


def test_a_run_that_hangs_is_found_out_and_its_place_can_be_taken(
    deployed: Platform, colleague: Project
) -> None:
    command = deployed.project.start(*DEPLOY, "-y", "--data", "message=it hangs", env=ALONE)
    with _halted(command):
        refused = colleague.deploy("-y", "--limit", "vpsmanager")
        assert refused.code == 1, refused
        assert f"vpsmanager {HELD}" in refused.text and "it hangs" in refused.text
        assert "python -m state unlock vpsmanager" in refused.text

        for target in ("vpsmanager", "observability"):
            taken = colleague.state_command("unlock", target)
            assert taken.code == 0, taken
            said = " ".join(taken.out.split())
            assert "it hangs" in said and "its next operation there is refused" in said
        assert colleague.deploy("-y").code == 0
    outcome = command.wait(LIMIT_S)
    assert outcome.code == 1, outcome
    assert "took over the lock on " in outcome.text
    assert deployed.project.record().status == "failed"
    deployed.settle()
    assert "nobody holds" in colleague.state_command("unlock", "vpsmanager").out


def test_interrupted_it_ends_what_it_does_and_frees_the_target(
    deployed: Platform, colleague: Project
) -> None:
    command = deployed.project.start(*DEPLOY, "-y", env=ALONE)
    _wait_until_begun(command)
    command.signal(signal.SIGINT)
    assert command.wait(20).code == 130
    record = deployed.project.record()
    assert record.status == "interrupted"
    assert {target.status for target in record.targets.values()} == {"interrupted"}
    assert record.targets["vpsmanager"].components["serving"].status == "pending"
    assert colleague.deploy("-y").code == 0


def test_a_lost_connection_is_made_again(deployed: Platform) -> None:
    command = deployed.project.start(*DEPLOY, "-y", env=ALONE)
    with _halted(command):
        # Its session ends with the others, so the end is not told.
        answer(deployed.lab, "vpsmanager", "(sleep 0.2; pkill -9 sshd) >/dev/null 2>&1 &")
        time.sleep(1)
    outcome = command.wait(LIMIT_S)
    assert outcome.code == 0, outcome
    assert "the connection is lost" in outcome.text and "connected again" in outcome.text
    record = deployed.project.record()
    assert record.status == "completed"


@pytest.mark.drill
def test_a_machine_may_be_restarted_meanwhile(deployed: Platform) -> None:
    command = deployed.project.start(*DEPLOY, "-y", env=ALONE)
    with _halted(command):
        deployed.lab.reboot("vpsmanager")
    outcome = command.wait(LIMIT_S)
    assert outcome.code == 0, outcome
    assert "connected again" in outcome.text


def test_histories_of_two_come_together(
    deployed: Platform, colleague: Project, tmp_path_factory: pytest.TempPathFactory
) -> None:
    mine, theirs = deployed.project, colleague
    assert mine.deploy("-y").code == theirs.deploy("-y").code == 0
    ids = {record.deployment_id for each in (mine, theirs) for record in each.records()}
    for project in (mine, theirs):
        synced = project.state_command("sync")
        assert synced.code == 0, synced
        assert project.state_command("verify").code == 0
    assert {record.deployment_id for record in mine.records()} >= ids
    assert {r.deployment_id for r in mine.records()} == {r.deployment_id for r in theirs.records()}

    laptop = Project(tmp_path_factory.mktemp("laptop"), deployed.lab)
    laptop.secrets_env = mine.secrets_env
    assert laptop.state_command("sync").code == 0
    closed = {record.deployment_id for record in mine.records()}
    assert {record.deployment_id for record in laptop.records()} == closed
    assert laptop.record() == mine.record()
    modes = answer(
        deployed.lab, "vpsmanager", "stat -c '%a %U' /var/lib/chom/records{,/*} | sort -u"
    )
    assert set(modes.splitlines()) == {"700 root", "600 root"}


def test_a_copy_that_differs_is_told(deployed: Platform) -> None:
    project = deployed.project
    path = project.state / "history" / f"{project.record().deployment_id}.json"
    content = path.read_bytes()
    path.write_bytes(content.replace(b'"user": "', b'"user": "not-'))
    told = project.state_command("sync")
    assert told.code == 1, told
    assert "differs from its copy on vpsmanager" in told.text
    path.write_bytes(content)
    assert project.state_command("sync").code == 0


def _race(platform: Platform, colleague: Project, rounds: int) -> None:
    for _ in range(rounds):
        # One by one takes its time: the second comes before the first has ended.
        both = (platform.project, colleague)
        commands = [each.start(*DEPLOY, "-y", env=ALONE) for each in both]
        outcomes = [command.wait(LIMIT_S) for command in commands]
        assert sorted(outcome.code for outcome in outcomes) == [0, 1], outcomes
        [refused] = [outcome for outcome in outcomes if outcome.code == 1]
        assert f"Nothing was changed: observability {HELD} root@" in refused.text


@contextmanager
def _halted(command: Command) -> Iterator[None]:
    """A run that is in the middle of it, and does not go on meanwhile."""
    _wait_until_begun(command)
    command.signal(signal.SIGSTOP)
    try:
        yield
    finally:
        command.signal(signal.SIGCONT)


def _wait_until_begun(command: Command) -> None:
    wait_for("its lanes", lambda: not command.running() or BEGUN in command.printed(), every_s=0.02)
    assert command.running(), command.printed()
