"""Whatever is logged on a target is in Loki, once, and nobody else may write there."""

import json
from functools import partial
from urllib.parse import urlencode

import pytest
import yaml

from tasks.logs.component import CERTIFICATE, SERVER_NAME
from tasks.quoting import curl, shell
from tests.e2e.machines import all_units, answer, listeners, page, reachable, restarted
from tests.e2e.platform import Platform
from tests.e2e.polling import wait_for
from tests.e2e.project import changed

MACHINES = ("observability", "vpsmanager")
LARAVEL = "/var/www/laravel/shared/storage/logs/laravel.log"
TRACE = """\
[2026-11-23 10:00:00] production.ERROR: {word} went wrong {{"exception":"[object]
[stacktrace]
#0 /var/www/laravel/current/app/Http/Kernel.php(12): handle()
#1 {{main}}
"}}"""
# A batch of the shipper, and what a multi-line entry waits for its next line.
SOON_S = 30
# Until the checkpoint has moved on after a restart: log files must have been the same for 25 s, and
# Loki have what was read since.
CHECKPOINT_S = 75
# What a push with a wrong password is told: a shipper tries again.
LATER = "503"
# Loki's own answer to a push without lines: the password was right.
TAKEN = "422"
ROTATIONS = ("nginx", "mariadb", "php-laravel", "laravel")


def logged(platform: Platform, query: str) -> list[str]:
    """The lines of the last hour that Loki has for a query; none while it does not answer."""
    url = f"http://127.0.0.1:3100/loki/api/v1/query_range?{urlencode({'query': query})}"
    asking = platform.lab.run("observability", f"curl -sf -m 5 '{url}&limit=1000'", check=False)
    if asking.returncode:
        return []
    streams = json.loads(asking.stdout)["data"]["result"]
    return [line for stream in streams for _, line in stream["values"]]


def wait_for_line(platform: Platform, labels: str, word: str) -> list[str]:
    """The lines with ``word``, once there are any."""
    query = f'{{{labels}}} |= "{word}"'
    return wait_for(query, lambda: logged(platform, query), SOON_S, every_s=0.5)


def visit(platform: Platform, word: str, machine: str = "vpsmanager") -> None:
    """Have ``word`` in the access log of a machine."""
    page(f"http://{platform.address(machine)}/{word}")


def fail(platform: Platform, word: str) -> None:
    """Have a stack trace about ``word`` in the application's log, written by its own user."""
    append = f"runuser -u laravel -- tee -a {LARAVEL}"
    platform.lab.run("vpsmanager", append, input=TRACE.format(word=word) + "\n")


def query_slowly(platform: Platform, word: str) -> None:
    """Have a slow query with ``word`` in it."""
    answer(platform.lab, "vpsmanager", f"mariadb -e \"select sleep(1.1), '{word}'\"")


def reloads(platform: Platform) -> list[str]:
    """What PHP-FPM has said of its reloads."""
    return logged(platform, '{job="php-fpm",target="vpsmanager"} |= "Reloading in progress"')


def reload_php(platform: Platform) -> None:
    """Reload PHP-FPM, and wait until its words on that arrive."""
    before = len(reloads(platform))
    answer(platform.lab, "vpsmanager", "systemctl reload laravel-php8.4")
    wait_for("PHP-FPM's reload", lambda: len(reloads(platform)) > before, SOON_S, every_s=0.5)


def all_arrive(platform: Platform, word: str) -> None:
    """Something with ``word`` in every log of the application's machine arrives."""
    visit(platform, word)
    fail(platform, word)
    query_slowly(platform, word)
    reload_php(platform)
    answer(platform.lab, "vpsmanager", f"systemd-run -q --wait -u {word} echo words of {word}")
    assert len(wait_for_line(platform, 'job="nginx",target="vpsmanager"', word)) == 1
    assert wait_for_line(platform, 'job="laravel",app="laravel"', word) == [TRACE.format(word=word)]
    (slow,) = wait_for_line(platform, 'job="mariadb"', word)
    assert slow.startswith("# User@Host: root[root]") and "# Query_time: 1.1" in slow
    wait_for_line(platform, f'job="journal",role="vpsmanager",unit="{word}.service"', "words of")


def password_of(platform: Platform, machine: str) -> str:
    """What the machine's shipper shows to Loki."""
    return platform.project.secrets()[f"LOGS_PASSWORD_{machine.upper()}"]


def pushed(platform: Platform, machine: str, password: str | None, path: str = "push") -> str:
    """The HTTP status that a push gets from a machine that trusts Loki's certificate alone."""
    address = platform.address("observability")
    place = f"{SERVER_NAME}:3101"
    login = f"user = {curl(f'{machine}:{password}')}\n" if password else ""
    asking = platform.lab.run(
        machine,
        f"curl -s -m 5 -o /dev/null -w '%{{http_code}}' -K - --cacert {CERTIFICATE}"
        f" -H 'Content-Type: application/json' --data '{{\"streams\": []}}'"
        f" --resolve {place}:{address} https://{place}/loki/api/v1/{path}",
        input=login,
        check=False,
    )
    return asking.stdout.strip()


def is_up(platform: Platform, job: str, machine: str) -> bool:
    """Whether Prometheus has scraped it."""
    query = urlencode({"query": f'up{{job="{job}",target="{machine}"}}'})
    url = f"http://{platform.address('observability')}:9090/api/v1/query?{query}"
    return '"1"]' in page(url)[1]


def test_every_log_arrives(deployed: Platform) -> None:
    all_arrive(deployed, "arrives")


def test_the_observability_machine_ships_its_own(deployed: Platform) -> None:
    visit(deployed, "at-home", "observability")
    wait_for_line(deployed, 'job="nginx",target="observability",role="observability"', "at-home")
    answer(deployed.lab, "observability", "systemd-run -q --wait -u at-home echo at-home")
    wait_for_line(deployed, 'unit="at-home.service",target="observability"', "at-home")


def test_how_bad_a_line_of_the_journal_is(deployed: Platform) -> None:
    answer(
        deployed.lab, "vpsmanager", "systemd-run -q --wait -u bad -p SyslogLevel=err echo very bad"
    )
    wait_for_line(deployed, 'unit="bad.service",level="error"', "very bad")


def test_what_mariadb_says_of_itself(deployed: Platform) -> None:
    wait_for_line(deployed, 'job="mariadb",unit="mariadb.service"', "ready for connections")


def test_logins_are_one_stream(deployed: Platform) -> None:
    answer(deployed.lab, "vpsmanager", "true")
    url = "http://127.0.0.1:3100/loki/api/v1/label/unit/values"
    units = json.loads(answer(deployed.lab, "observability", f"curl -fsS {url}"))["data"]
    assert {unit for unit in units if unit.startswith("session")} <= {"session.scope"}


def test_the_shipper_reads_logs_and_no_secrets(deployed: Platform) -> None:
    for path in ("/var/www/laravel/shared/.env", "/etc/chom/redis/laravel-queue.acl"):
        reading = f"setpriv --reuid alloy --regid alloy --groups adm,systemd-journal cat {path}"
        assert deployed.lab.run("vpsmanager", reading, check=False).returncode != 0
    for machine in MACHINES:
        commands = answer(deployed.lab, machine, "cat /proc/[0-9]*/cmdline | tr '\\0' ' '")
        assert password_of(deployed, machine) not in commands


def test_lines_arrive_after_a_rotation(deployed: Platform) -> None:
    for name in ROTATIONS:
        answer(deployed.lab, "vpsmanager", f"logrotate -f /etc/logrotate.d/{name}")
    assert answer(deployed.lab, "vpsmanager", f"ls {LARAVEL}.1 /var/log/nginx/access.log.1")
    all_arrive(deployed, "rotated")


def test_a_restarted_shipper_loses_nothing_and_repeats_nothing(deployed: Platform) -> None:
    """Once the checkpoint has followed the rotation of before; each restart is one of a shipper
    that is ready, as what ends while it starts begins again from the checkpoint.
    """
    kept_up_to_now(deployed)
    ready = "curl -fsS -o /dev/null http://127.0.0.1:12345/-/ready 2>/dev/null"
    for number in range(30):
        visit(deployed, f"restart-{number}-")
        if number % 10 == 5:
            restart = f"systemctl restart alloy; until {ready}; do sleep 0.1; done"
            answer(deployed.lab, "vpsmanager", restart)
    wait_for_line(deployed, 'job="nginx",target="vpsmanager"', "restart-29-")
    found = logged(deployed, '{job="nginx",target="vpsmanager"} |= "GET /restart-"')
    words = sorted(int(line.split("/restart-")[1].split("-")[0]) for line in found)
    assert words == list(range(30))


def test_nothing_is_lost_while_loki_is_away(deployed: Platform) -> None:
    answer(deployed.lab, "observability", "systemctl stop loki")
    for number in range(10):
        visit(deployed, f"away-{number}-")
    answer(deployed.lab, "observability", "sleep 6; systemctl start loki")
    wait_for_line(deployed, 'job="nginx",target="vpsmanager"', "away-9-")
    found = logged(deployed, '{job="nginx",target="vpsmanager"} |= "GET /away-"')
    assert len(found) == 10


def kept_up_to_now(platform: Platform) -> None:
    """Wait until the checkpoint says that Loki has everything that Nginx has logged so far."""
    size = answer(platform.lab, "vpsmanager", "stat -c %s /var/log/nginx/access.log").strip()
    state = f"""
import glob, json, os, sys
from log_checkpoint.generations import Identity, is_still
from log_checkpoint.positions import entries
path = "/var/log/nginx/access.log"
files = sorted(glob.glob("/var/lib/*/checkpoint/checkpoint.json"), key=os.path.getmtime)
kept = json.load(open(files[-1])) if files else sys.exit(1)
texts = kept["texts"].values()
offsets = [entry.offset for text in texts for entry in entries(text) if entry.path == path]
# After a rotation, the old checkpoint has a position in the file of before.
is_same = path in kept["files"] and is_still(path, Identity(**kept["files"][path]))
sys.exit(not (is_same and offsets and offsets[0] >= {size}))
"""
    command = f"PYTHONPATH=/usr/local/lib/chom PYTHONDONTWRITEBYTECODE=1 python3 -c {shell(state)}"

    def kept() -> bool:
        return platform.lab.run("vpsmanager", command, check=False).returncode == 0

    wait_for("the checkpoint", kept, CHECKPOINT_S, every_s=1)


def log_both(platform: Platform, word: str, numbers: range) -> None:
    """Have a line with ``word`` and each number in the access log, and one in the journal."""
    url = "http://127.0.0.1"
    ends = f"{numbers.start} {numbers.stop - 1}"
    answer(
        platform.lab,
        "vpsmanager",
        f"for n in $(seq {ends}); do curl -s -o /dev/null {url}/{word}-$n-;"
        f" logger -t {word} {word}-$n-; done",
    )


def arrivals(platform: Platform, labels: str, word: str) -> list[int]:
    """The numbers of the lines with ``word`` that Loki has, each as often as it has it."""
    found = logged(platform, f'{{target="vpsmanager",{labels}}} |= "{word}-"')
    return sorted(int(line.split(f"{word}-")[1].split("-")[0]) for line in found)


def all_arrive_once(platform: Platform, word: str, count: int) -> None:
    """All numbers below ``count`` are in the access log's and the journal's lines, each once."""
    for labels in ('job="nginx"', 'job="journal"'):
        all_there = partial(_has_all, platform, labels, word, count)
        wait_for(f"{word} of {labels}", all_there, 2 * SOON_S, every_s=1)
        assert arrivals(platform, labels, word) == list(range(count))


def _has_all(platform: Platform, labels: str, word: str, count: int) -> bool:
    return set(arrivals(platform, labels, word)) == set(range(count))


def end_shipper(platform: Platform, how: str, shipper: str) -> None:
    """Have the shipper start again, in some way, and wait until it answers."""
    if how == "reboot":
        platform.lab.reboot("vpsmanager")
    elif how == "kill":
        answer(platform.lab, "vpsmanager", f"systemctl kill -s KILL {shipper}")
    else:
        if how == "rotation":
            answer(platform.lab, "vpsmanager", "logrotate -f /etc/logrotate.d/nginx")
        answer(platform.lab, "vpsmanager", f"systemctl restart {shipper}")
    ask = "curl -fsS -o /dev/null http://127.0.0.1:12345/metrics"

    def answers() -> bool:
        return platform.lab.run("vpsmanager", ask, check=False).returncode == 0

    wait_for(shipper, answers, SOON_S, every_s=0.5)


def survive_outage(platform: Platform, how: str, shipper: str) -> None:
    """Have the shipper end once and again while Loki is away: no line is lost, or repeated.

    Only lines of files that Loki had before, and that were read after the last checkpoint, come
    twice; there are none.
    """
    word = f"{shipper}-{how}"
    log_both(platform, word, range(0, 10))
    wait_for_line(platform, 'job="nginx",target="vpsmanager"', f"{word}-9-")
    kept_up_to_now(platform)
    answer(platform.lab, "observability", "systemctl stop loki")
    try:
        log_both(platform, word, range(10, 20))
        # Long enough for the positions to be written, as they are every 10 s.
        answer(platform.lab, "vpsmanager", "sleep 12")
        end_shipper(platform, how, shipper)
        log_both(platform, word, range(20, 30))
        end_shipper(platform, "kill" if how == "reboot" else how, shipper)
        log_both(platform, word, range(30, 40))
    finally:
        answer(platform.lab, "observability", "systemctl start loki")
    all_arrive_once(platform, word, 40)


@pytest.mark.parametrize("how", ["restart", "kill", "rotation", "reboot"])
def test_an_outage_with_an_end_of_the_shipper_loses_no_line(deployed: Platform, how: str) -> None:
    survive_outage(deployed, how, "alloy")


def test_copies_of_rotated_lines_go_and_nothing_is_left_to_change(deployed: Platform) -> None:
    copies = "find /var/lib/alloy/recovered -type f"
    none_left = partial(answer, deployed.lab, "vpsmanager", f'[ -z "$({copies})" ] && echo none')
    kept_up_to_now(deployed)
    assert none_left().strip() == "none"
    assert changed(deployed.converge()) == {}


def test_killed_shipper_repeats_the_lines_since_the_checkpoint_alone(deployed: Platform) -> None:
    log_both(deployed, "early", range(10))
    wait_for_line(deployed, 'job="nginx",target="vpsmanager"', "early-9-")
    kept_up_to_now(deployed)
    log_both(deployed, "late", range(10))
    wait_for_line(deployed, 'job="nginx",target="vpsmanager"', "late-9-")
    end_shipper(deployed, "kill", "alloy")
    log_both(deployed, "last", range(10))
    wait_for_line(deployed, 'job="nginx",target="vpsmanager"', "last-9-")
    once = list(range(10))
    for word in ("early", "late", "last"):
        assert arrivals(deployed, 'job="journal"', word) == once
        found = arrivals(deployed, 'job="nginx"', word)
        assert sorted(set(found)) == once
        assert len(found) == 10 or (word == "late" and len(found) <= 20)


@pytest.mark.drill
@pytest.mark.parametrize("how", ["restart", "kill", "rotation", "reboot"])
def test_promtail_loses_no_line_of_an_outage_either(deployed: Platform, how: str) -> None:
    deployed.converge({"settings.logs.shipper": "promtail"})
    try:
        survive_outage(deployed, how, "promtail")
    finally:
        deployed.unsettle()


def test_only_shippers_with_the_password_may_write(deployed: Platform) -> None:
    for machine, other_machine in zip(MACHINES, reversed(MACHINES), strict=True):
        assert pushed(deployed, machine, password_of(deployed, machine)) == TAKEN
        for other in (None, "wrong", password_of(deployed, other_machine)):
            assert pushed(deployed, machine, other) == LATER


def test_shippers_may_only_write(deployed: Platform) -> None:
    password = password_of(deployed, "vpsmanager")
    assert pushed(deployed, "vpsmanager", password, "query?query=1") == "404"
    assert pushed(deployed, "vpsmanager", password, "delete") == "404"


def test_only_targets_reach_loki_at_all(deployed: Platform) -> None:
    lab, address = deployed.lab, deployed.address("observability")
    assert not reachable(address, 3100) and not reachable(address, 3101)
    assert listeners(lab, "observability", 3100) == {"127.0.0.1"}
    for machine in MACHINES:
        assert not reachable(deployed.address(machine), 9080)
        assert listeners(lab, machine, 12345) == {"127.0.0.1"}


def test_old_lines_are_deleted(deployed: Platform) -> None:
    found = answer(deployed.lab, "observability", "curl -fsS http://127.0.0.1:3100/config")
    config = yaml.safe_load(found)
    assert config["limits_config"]["retention_period"] == "15d"
    assert config["compactor"]["retention_enabled"] is True


@pytest.mark.drill
def test_new_password_is_taken_up_by_all_and_no_line_is_lost(deployed: Platform) -> None:
    talk = "for n in $(seq 150); do echo turn-$n-; sleep 0.2; done"
    answer(deployed.lab, "vpsmanager", f"systemd-run -q -u talk sh -c {shell(talk)}")
    before = all_units(deployed.lab)
    old = password_of(deployed, "vpsmanager")
    deployed.unsettle()
    names = [f"LOGS_PASSWORD_{machine.upper()}" for machine in MACHINES]
    deployed.project.set_secrets({name: f"another {name}, 'quoted\" $HOME" for name in names})
    deployed.converge()
    # The one that talks is this test's own, and may have ended by now.
    gone = restarted(before, all_units(deployed.lab)) - {("vpsmanager", "talk.service")}
    assert gone == {(machine, "alloy.service") for machine in MACHINES}
    assert pushed(deployed, "vpsmanager", old) == LATER
    assert changed(deployed.converge()) == {}
    # Nginx writes "password mismatch" when it refuses a scrape.
    all_arrive(deployed, "with-another-password")
    wait_for_line(deployed, 'job="journal",unit="talk.service"', "turn-150-")
    said = logged(deployed, '{job="journal",unit="talk.service"} |= "turn-"')
    assert sorted(said) == sorted(f"turn-{number}-" for number in range(1, 151))


@pytest.mark.drill
def test_the_old_password_is_good_until_all_have_the_new_one(deployed: Platform) -> None:
    """A deploy of one target alone does not lock out the other's shipper."""
    old = password_of(deployed, "vpsmanager")
    deployed.unsettle()
    deployed.project.set_secrets({"LOGS_PASSWORD_VPSMANAGER": "one more"})
    outcome = deployed.project.deploy("-y", "--limit", "observability")
    assert outcome.code == 0, outcome
    for password in (old, "one more"):
        assert pushed(deployed, "vpsmanager", password) == TAKEN
    visit(deployed, "between-two-passwords")
    wait_for_line(deployed, 'job="nginx",target="vpsmanager"', "between-two-passwords")
    deployed.converge()
    assert pushed(deployed, "vpsmanager", old) == LATER
    assert changed(deployed.converge()) == {}


@pytest.mark.drill
def test_the_other_shipper_takes_its_place_and_gives_it_back(deployed: Platform) -> None:
    for shipper, other in (("promtail", "alloy"), ("alloy", "promtail")):
        changes = {"settings.logs.shipper": shipper}
        deployed.converge(changes)
        for machine in MACHINES:
            said = f"systemctl is-active {shipper}; systemctl is-enabled {shipper}"
            assert answer(deployed.lab, machine, said).split() == ["active", "enabled"]
            # The package that nobody needs any more goes as well.
            said = f"systemctl is-active {other}; systemctl is-enabled {other} || :"
            assert answer(deployed.lab, machine, said).split() == ["inactive", "not-found"]
            up = partial(is_up, deployed, shipper, machine)
            wait_for(f"{shipper} of {machine} to be up", up, 2 * SOON_S, every_s=1)
        assert changed(deployed.converge(changes)) == {}
        all_arrive(deployed, f"by-{shipper}")
