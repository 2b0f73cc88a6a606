"""Facts in one breath lie never: with and without it the same is done, whatever has happened."""

import fcntl
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.bench.round_trips import opened
from tests.e2e.command import Outcome
from tests.e2e.disks import differences, listing
from tests.e2e.machines import answer
from tests.e2e.platform import Platform
from tests.e2e.polling import wait_for
from tests.e2e.project import ALONE, DEPLOY, changed
from tests.e2e.states import state_of, unlike
from tests.lab import Lab
from tests.lab.paths import PROJECT

# Of a run that has nothing to do, with -y: sudo is tried; facts of the last run are asked at once;
# those that take commands are asked at once as soon as their operations are declared, as no command
# is kept from run to run; and the lock is held, by whose channel a copy of the record goes, too.
MOST_CHANNELS = 4
# A question that takes so long can only be one of a test's.
SLEEP = "sleep 3.0625"


def plan(platform: Platform, env: dict[str, str] | None = None) -> Any:
    """What a dry run would do."""
    outcome = platform.project.deploy("--dry", "--json", env=env)
    assert outcome.code == 0, outcome
    return planned(outcome)


def planned(outcome: Outcome) -> Any:
    """Its plan, but for when it was made."""
    return {**outcome.json, "created_at": None}


def same_plan(platform: Platform) -> set[str]:
    """The operations that have something to do; the same with and without."""
    together, alone = plan(platform), plan(platform, ALONE)
    assert together == alone
    return {
        f"{component} | {change['operation']}"
        for target in together["targets"].values()
        for component, its in target["components"].items()
        for change in its["changes"]
    }


def commands(outcome: Outcome) -> dict[str, list[str]]:
    """Machine → what was asked and done there up to the verification, as -vv shows it."""
    found: dict[str, list[str]] = {}
    for line in outcome.err.partition("--> Verifying")[0].splitlines():
        machine, mark, command = line.partition(">>> ")
        if mark:
            found.setdefault(machine.strip(), []).append(command)
    return found


def remembered(platform: Platform, machine: str) -> Path:
    """The file of what a machine was asked."""
    return platform.project.state / "questions" / f"{machine}.json"


def nothing_done(platform: Platform, *arguments: str) -> Outcome:
    """Deploy once more; nothing must come of it."""
    outcome = platform.project.deploy(*(arguments or ("-y",)))
    assert outcome.code == 0, outcome
    assert changed(platform.project.record()) == {}
    return outcome


def states(platform: Platform) -> dict[str, Any]:
    """Machine → what has become of it."""
    return {each.name: state_of(platform.lab, each.name) for each in platform.lab.machines}


def drift(lab: Lab) -> None:
    """What people, and accidents, do to machines."""
    on = {
        "vpsmanager": "echo '# mine' >> /etc/chom/redis/laravel-queue.conf; systemctl stop nginx;"
        " chmod 600 /etc/nginx/nginx.conf; ufw delete allow 80/tcp;"
        " mariadb -e 'revoke all privileges on laravel.* from laravel@localhost'",
        "observability": "rm /etc/prometheus/prometheus.yml; systemctl disable grafana-server;"
        " apt-get -qq purge logrotate >/dev/null 2>&1",
    }
    for machine, command in on.items():
        answer(lab, machine, command)


def test_a_machine_answers_in_a_batch_as_it_does_alone(deployed: Platform) -> None:
    nothing_done(deployed)
    done = subprocess.run(
        [sys.executable, "-m", "tests.e2e.asking", str(deployed.project.state / "questions")],
        cwd=PROJECT,
        env={
            **os.environ,
            **deployed.project.secrets_env,
            "CHOM_INVENTORY": str(deployed.project.inventory()),
        },
        capture_output=True,
        text=True,
    )
    *unlike_lines, same = done.stdout.splitlines() or ["", "0"]
    assert unlike_lines == [], done.stderr
    assert int(same) > 200


def test_few_round_trips_do_for_a_run_without_changes(deployed: Platform) -> None:
    nothing_done(deployed)
    before = {machine.name: remembered(deployed, machine.name) for machine in deployed.lab.machines}
    inodes = {name: path.stat().st_ino for name, path in before.items()}
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in before.values())
    together = nothing_done(deployed, "-y", "--debug-all")
    alone = deployed.project.deploy("-y", "--debug-all", env=ALONE)
    machines = len(deployed.lab.machines)
    assert opened(together.err) <= MOST_CHANNELS * machines, opened(together.err)
    assert opened(alone.err) > 100 * machines
    assert "asked one by one" not in together.err
    # What is asked has not changed, and so neither have the files.
    assert {name: path.stat().st_ino for name, path in before.items()} == inodes


def test_no_secret_is_remembered(deployed: Platform) -> None:
    nothing_done(deployed)
    for path in (deployed.project.state / "questions").iterdir():
        text = path.read_text()
        for name, value in deployed.project.secrets().items():
            assert value not in text, name


def test_the_plan_is_the_same_and_finds_what_has_drifted(deployed: Platform) -> None:
    assert same_plan(deployed) == set()
    deployed.unsettle()
    drift(deployed.lab)
    # Else it might be Prometheus that tells another thing the second time.
    wait_for("Prometheus to miss PHP-FPM", lambda: _is_missed(deployed, "php-fpm"), every_s=1)
    found = same_plan(deployed)
    assert len(found) >= 8, found
    deployed.converge()
    nothing_done(deployed)


def test_what_was_remembered_may_be_spoilt(deployed: Platform) -> None:
    nothing_done(deployed)
    path = remembered(deployed, "vpsmanager")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    nothing_done(deployed)
    assert path.read_bytes() == whole


@contextmanager
def slowed(platform: Platform, machine: str, text: str) -> Iterator[None]:
    """Let one of the facts that a machine is asked for run this command first."""
    program = "/usr/sbin/iptables"
    wrapper = f'#!/bin/sh\n{text}\nexec /usr/sbin/iptables-nft "$@"\n'
    answer(
        platform.lab,
        machine,
        f"mv {program} {program}.away && printf %s {shlex.quote(wrapper)} > {program}"
        f" && chmod 755 {program}",
    )
    try:
        yield
    finally:
        answer(platform.lab, machine, f"mv -f {program}.away {program}")


def test_a_batch_that_is_killed_on_the_machine_costs_nothing_but_time(deployed: Platform) -> None:
    nothing_done(deployed)
    lab = deployed.lab
    with slowed(deployed, "vpsmanager", SLEEP):
        command = deployed.project.start(*DEPLOY, "-y", "--debug")
        wait_for(
            "the question",
            lambda: lab.run("vpsmanager", f"pgrep -fx '{SLEEP}'", check=False).stdout != "",
        )
        answer(lab, "vpsmanager", "pkill -KILL -x perl")
        outcome = command.wait(120)
    assert outcome.code == 0, outcome
    assert "vpsmanager is asked one by one" in outcome.err
    assert "observability is asked one by one" not in outcome.err
    assert changed(deployed.project.record()) == {}


def test_what_another_deploy_did_meanwhile_is_asked_again(deployed: Platform) -> None:
    """It begins before we ask, and changes something while we wait for the lock."""
    nothing_done(deployed)
    deployed.unsettle()
    drift_later = "sleep 8; chmod 600 /etc/nginx/nginx.conf"
    held = f"flock /run/chom/deploy.lock sh -c '{drift_later}'"
    answer(deployed.lab, "vpsmanager", f'systemd-run -q --collect sh -c "{held}"')
    outcome = deployed.project.deploy("-y", "--data", "lock_wait=60", "--debug")
    assert outcome.code == 0, outcome
    assert "waiting: vpsmanager is held by" in outcome.text
    assert changed(deployed.project.record()) == {("vpsmanager", "nginx"): 1}
    assert answer(deployed.lab, "vpsmanager", "stat -c %a /etc/nginx/nginx.conf") == "644"
    deployed.converge()


def test_what_another_deploy_did_in_between_is_asked_again(deployed: Platform) -> None:
    """It begins once we have asked, and has ended before we want the lock."""
    nothing_done(deployed)
    deployed.unsettle()
    # Whoever holds the lock of the checkout keeps us from wanting that of a target.
    lock = deployed.project.state / "lock"
    with lock.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        command = deployed.project.start(*DEPLOY, "-y", "--data", "lock_wait=60", "--debug")
        wait_for("the answers", lambda: command.printed().count(" answered ") >= 4)
        answer(
            deployed.lab,
            "vpsmanager",
            "chmod 600 /etc/nginx/nginx.conf;"
            " cat /proc/sys/kernel/random/uuid > /run/chom/deploy.turn",
        )
        fcntl.flock(file, fcntl.LOCK_UN)
    outcome = command.wait(120)
    assert outcome.code == 0, outcome
    assert changed(deployed.project.record()) == {("vpsmanager", "nginx"): 1}
    deployed.converge()


def test_nothing_of_a_batch_goes_on_when_the_run_is_killed(deployed: Platform) -> None:
    nothing_done(deployed)
    lab = deployed.lab
    before = _temporary(lab)
    with slowed(deployed, "vpsmanager", "sleep 600.0625"):
        command = deployed.project.start(*DEPLOY, "-y")
        running = "pgrep -fx 'sleep 600.0625'"
        wait_for("the question", lambda: lab.run("vpsmanager", running, check=False).stdout)
        command.kill()
        wait_for("its end", lambda: not lab.run("vpsmanager", running, check=False).stdout)
    wait_for("nothing left", lambda: _temporary(lab) == before)
    nothing_done(deployed)


def test_a_program_that_is_gone_is_found_to_be(deployed: Platform) -> None:
    nothing_done(deployed)
    deployed.unsettle()
    lab = deployed.lab
    # What facts ask with; then what all of them are asked with.
    for programs in ("ss openssl", "perl"):
        move = f"cd /usr/bin && for each in {programs}; do mv"
        answer(lab, "vpsmanager", f"{move} $each $each.away; done")
        try:
            found = same_plan(deployed)
        finally:
            answer(lab, "vpsmanager", f"{move} $each.away $each; done")
        assert bool(found) == ("ss" in programs)
    nothing_done(deployed)


def test_a_clock_that_was_set_back_makes_nothing_wrong(deployed: Platform) -> None:
    """Machines here share this computer's clock; to them files from tomorrow look the same."""
    nothing_done(deployed)
    deployed.unsettle()
    places = "/var/lib/apt/lists /etc/apt/sources.list.d /run/chom/*"
    for machine in deployed.lab.machines:
        answer(deployed.lab, machine.name, f"touch -d '+26 hours' {places}")
    for path in (deployed.project.state / "questions").iterdir():
        later = time.time() + 26 * 3600
        os.utime(path, (later, later))
    assert same_plan(deployed) == set()
    for machine in deployed.lab.machines:
        answer(deployed.lab, machine.name, f"touch {places}")
    deployed.converge()


@pytest.mark.drill
def test_drifted_machines_are_mended_by_the_same_commands(deployed: Platform) -> None:
    nothing_done(deployed)
    deployed.unsettle()
    ran, became = [], []
    for env in ({}, ALONE):
        drift(deployed.lab)
        outcome = deployed.project.deploy("-y", "-vv", env=env)
        assert outcome.code == 0, outcome
        ran.append(commands(outcome))
        became.append(
            {each.name: state_of(deployed.lab, each.name) for each in deployed.lab.machines}
        )
    assert ran[0] == ran[1]
    assert all(ran[0].values())
    for name, state in became[0].items():
        assert unlike(state, became[1][name]) == {}
    deployed.converge()


@pytest.mark.drill
def test_half_deployed_and_rebuilt_machines_get_what_they_lack(deployed: Platform) -> None:
    nothing_done(deployed)
    complete = states(deployed)
    # The same addresses and questions, and none of what they were about.
    deployed.refresh()
    disks = {each.name: listing(deployed.lab.rootfs(each.name)) for each in deployed.lab.machines}
    outcome = deployed.project.deploy("--dry", "--json", "--debug")
    assert outcome.code == 0, outcome
    assert "asked one by one" not in outcome.err
    for name, disk in disks.items():
        after = listing(deployed.lab.rootfs(name))
        assert differences(disk, after, LOGINS) == set()
    assert planned(outcome) == plan(deployed, ALONE)

    command = deployed.project.start(*DEPLOY, "-y")
    wait_for("redis", lambda: "redis: " in command.printed(), 600)
    command.kill()
    wait_for("the end of apt", lambda: not _apt(deployed.lab), 600)
    same_plan(deployed)
    deployed.converge()
    nothing_done(deployed)
    outcome = deployed.project.deploy("-y", env=ALONE)
    assert outcome.code == 0, outcome
    assert changed(deployed.project.record()) == {}
    for name, state in complete.items():
        assert unlike(state, state_of(deployed.lab, name)) == {}


def _is_missed(platform: Platform, job: str) -> bool:
    query = quote(f'up{{job="{job}"}} == 0')
    url = f"http://127.0.0.1:9090/api/v1/query?query={query}"
    return job in answer(platform.lab, "observability", f"curl -fsS '{url}'")


LOGINS = {
    "/var/log": "of each login",
    "/run": "the same",
    "/var/lib/systemd": "what systemd keeps for itself",
    "/var/lib/private": "the same",
}


def _temporary(lab: Lab) -> str:
    found = "find /tmp /run/chom /dev/shm -mindepth 1 ! -path '/tmp/systemd-*' ! -name 'deploy.*'"
    return answer(lab, "vpsmanager", f"{found} | sort")


def _apt(lab: Lab) -> bool:
    return any(
        lab.run(each.name, "pgrep -x 'apt-get|dpkg'", check=False).stdout for each in lab.machines
    )
