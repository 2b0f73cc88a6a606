"""Fresh machines: a dry run leaves no trace, a deployment makes a working, closed platform."""

import json
import re
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from tests.e2e.disks import differences
from tests.e2e.first import First
from tests.e2e.machines import (
    answer,
    listeners,
    page,
    processes,
    properties,
    reachable,
    redis,
)
from tests.e2e.polling import wait_for

MACHINES = ("observability", "vpsmanager")
SECURED = [
    ("observability", "prometheus"),
    ("observability", "prometheus-alertmanager"),
    ("observability", "prometheus-node-exporter"),
    ("observability", "prometheus-blackbox-exporter"),
    ("observability", "prometheus-nginx-exporter"),
    ("observability", "mtail"),
    ("observability", "loki"),
    ("observability", "alloy"),
    ("observability", "nginx"),
    ("vpsmanager", "prometheus-node-exporter"),
    ("vpsmanager", "prometheus-mysqld-exporter"),
    ("vpsmanager", "prometheus-redis-exporter"),
    ("vpsmanager", "prometheus-nginx-exporter"),
    ("vpsmanager", "mtail"),
    ("vpsmanager", "alloy"),
    ("vpsmanager", "mariadb"),
    ("vpsmanager", "laravel-redis-queue"),
    ("vpsmanager", "laravel-redis-cache"),
    ("vpsmanager", "laravel-php8.4"),
    ("vpsmanager", "nginx"),
]
# What serves requests, and the one user that may do so; root is never one of them.
RUNS_AS = [
    ("observability", "/prometheus --config", "prometheus-server"),
    ("observability", "prometheus-alertmanager", "alertmanager"),
    ("observability", "prometheus-node-exporter", "node_exporter"),
    ("observability", "prometheus-blackbox-exporter", "blackbox_exporter"),
    ("observability", "prometheus-nginx-exporter", "nginx_exporter"),
    ("observability", "/usr/bin/mtail", "mtail"),
    ("observability", "/etc/loki/config.yml", "loki"),
    ("observability", "/etc/alloy/config.alloy", "alloy"),
    ("observability", "nginx: worker", "www-data"),
    ("vpsmanager", "prometheus-node-exporter", "node_exporter"),
    ("vpsmanager", "prometheus-mysqld-exporter", "mysqld_exporter"),
    ("vpsmanager", "prometheus-redis-exporter", "redis_exporter"),
    ("vpsmanager", "prometheus-nginx-exporter", "nginx_exporter"),
    ("vpsmanager", "/usr/bin/mtail", "mtail"),
    ("vpsmanager", "/etc/alloy/config.alloy", "alloy"),
    ("vpsmanager", "mariadbd", "mysql"),
    ("vpsmanager", "redis-server", "_laravel-redis"),
    ("vpsmanager", "php-fpm: ", "laravel"),
    ("vpsmanager", "nginx: worker", "www-data"),
]
# sshd, sudo and systemd write down every login, whatever it is for.
WRITTEN_BY_LOGINS = {"/var/log/journal": "the logins of the run itself"}


@pytest.mark.parametrize("machine", MACHINES)
def test_dry_run_leaves_every_byte(first: First, machine: str) -> None:
    before, after = first.bare[machine], first.after_dry[machine]
    assert len(before.disk) > 5000
    assert differences(before.disk, after.disk, WRITTEN_BY_LOGINS) == set()
    assert after.temporary == before.temporary


def test_dry_run_shows_the_plan_and_writes_no_record(first: First) -> None:
    assert first.dry.code == first.details.code == 0, first.dry
    # First how much there is to do on each target; --diff shows each change.
    counts, _, rest = first.dry.text.partition("\n      base: ")
    for name in MACHINES:
        assert re.search(rf"{name} +\d+ to create", counts), first.dry
    assert "is counted here; --diff shows every change" in rest
    for promised in (
        "+ create /etc/chom/redis/laravel-queue.conf",
        "↻ start prometheus.service",
        "+ create Firewall: ufw allow 80/tcp",
        "observability  1",
    ):
        assert promised in first.details.text, first.details
    assert first.written_by_dry == set()


@pytest.mark.parametrize(("machine", "unit"), SECURED)
def test_service_is_active_enabled_and_confined(first: First, machine: str, unit: str) -> None:
    lab = first.platform.lab
    found = properties(
        lab, machine, unit, "ActiveState", "UnitFileState", "ProtectSystem", "NoNewPrivileges",
        "ProtectHome", "PrivateTmp", "MainPID",
    )  # fmt: skip
    pid = found.pop("MainPID")
    assert found.pop("ProtectHome") in ("yes", "read-only")
    assert found == {
        "ActiveState": "active",
        "UnitFileState": "enabled",
        "ProtectSystem": "strict",
        "NoNewPrivileges": "yes",
        "PrivateTmp": "yes",
    }
    # The running process itself is bound, and sees a read-only /usr.
    assert answer(lab, machine, f"awk '/^NoNewPrivs/ {{print $2}}' /proc/{pid}/status") == "1"
    mounted = answer(lab, machine, f"awk '$5 == \"/\" {{print $6}}' /proc/{pid}/mountinfo")
    assert mounted.splitlines()[-1].split(",")[0] == "ro"


@pytest.mark.parametrize(("machine", "command", "user"), RUNS_AS)
def test_service_runs_as_its_own_user(first: First, machine: str, command: str, user: str) -> None:
    running = processes(first.platform.lab, machine)
    assert {owner for owner, line in running if command in line} == {user}


@pytest.mark.parametrize("machine", MACHINES)
def test_no_two_services_share_a_user(first: First, machine: str) -> None:
    running = processes(first.platform.lab, machine)
    expected = {user: command for where, command, user in RUNS_AS if where == machine}
    shared = {
        user: line
        for user, line in running
        if user in expected
        and expected[user] not in line
        and user != "root"
        # The stand-in for Alloy lets journalctl read the journal.
        and not line.startswith("journalctl")
        # It keeps the positions of the log shipper, which are that user's.
        and not line.endswith("-m log_checkpoint run")
    }
    assert shared == {}


@pytest.mark.parametrize("machine", MACHINES)
def test_firewall_denies_by_default_and_admits_ssh(first: First, machine: str) -> None:
    status = answer(first.platform.lab, machine, "ufw status verbose")
    assert "Status: active" in status
    assert "Default: deny (incoming)" in status
    assert re.search(r"^22/tcp +ALLOW IN +Anywhere *$", status, re.MULTILINE)


def test_only_the_web_page_of_the_application_is_reachable(first: First) -> None:
    address = first.platform.address("vpsmanager")
    ports = (
        22,
        80,
        3306,
        3903,
        6379,
        6380,
        8113,
        9000,
        9080,
        9100,
        9104,
        9113,
        9121,
        9253,
        13903,
        19104,
        19121,
    )
    with ThreadPoolExecutor() as pool:
        answers = dict(zip(ports, pool.map(partial(reachable, address), ports), strict=True))
    assert {port for port in ports if answers[port]} == {22, 80}


def test_mariadb_listens_on_loopback_only_and_redis_nowhere(first: First) -> None:
    addresses = listeners(first.platform.lab, "vpsmanager", 3306)
    assert addresses
    assert addresses <= {"127.0.0.1", "[::1]"}
    assert "redis-server" not in answer(first.platform.lab, "vpsmanager", "ss -Hltunp")


def test_application_reached_mariadb_and_redis(first: First) -> None:
    address = first.platform.address("vpsmanager")
    status, text = page(f"http://{address}/")
    assert status == 200
    assert re.search(r"<td>mariadb</td><td[^>]*>reached", text)
    assert re.search(r"<td>redis</td><td[^>]*>reached: visit \d+", text)
    assert page(f"http://{address}/up")[0] == 200


def test_prometheus_sees_every_target_up(first: First) -> None:
    address = first.platform.address("observability")

    def down() -> list[dict[str, str]] | None:
        status, text = page(f"http://{address}:9090/api/v1/query?query=up")
        found = json.loads(text)["data"]["result"] if status == 200 else []
        nodes = {each["metric"]["target"] for each in found if each["metric"]["job"] == "node"}
        bad = [each["metric"] for each in found if each["value"][1] != "1"]
        return bad if nodes == set(MACHINES) else None

    wait_for("every target to be up", lambda: down() == [])


def test_observability_page_names_no_targets_to_strangers(first: First) -> None:
    status, text = page(f"http://{first.platform.address('observability')}/")
    assert status == 200
    assert "vpsmanager" not in text and first.platform.address("vpsmanager") not in text


def test_sizes_follow_the_hardware(first: First) -> None:
    lab = first.platform.lab
    pool = answer(lab, "vpsmanager", "mariadb -NBe 'select @@innodb_buffer_pool_size'")
    assert int(pool) == 1024 * 1024 * 1024
    assert int(redis(lab, "vpsmanager", "config get maxmemory")) == 256 * 1024 * 1024
    config = "/etc/chom/php/laravel-8.4.conf"
    children = answer(lab, "vpsmanager", f"grep pm.max_children {config}")
    assert children == "pm.max_children = 24"


@pytest.mark.parametrize(("machine", "vcpus"), [("observability", 1), ("vpsmanager", 2)])
def test_one_nginx_worker_for_each_vcpu(first: First, machine: str, vcpus: int) -> None:
    running = processes(first.platform.lab, machine)
    assert len([line for _, line in running if "nginx: worker process" in line]) == vcpus


def test_prometheus_may_fill_two_fifths_of_the_disk(first: First) -> None:
    lab = first.platform.lab
    total_mb = int(answer(lab, "observability", "df -Pm / | awk 'NR==2 {print $2}'"))
    [command] = [line for _, line in processes(lab, "observability") if "--storage.tsdb" in line]
    size = re.search(r"--storage\.tsdb\.retention\.size=(\d+)MB", command)
    assert size
    wanted = min(total_mb * 2 / 5, 51200)
    assert wanted - 1024 < int(size[1]) <= wanted
    assert "--storage.tsdb.retention.time=15d" in command


@pytest.mark.parametrize("machine", MACHINES)
def test_no_unit_failed(first: First, machine: str) -> None:
    assert answer(first.platform.lab, machine, "systemctl --failed --plain --no-legend") == ""


@pytest.mark.parametrize("machine", MACHINES)
def test_no_scaffolding_is_left_behind(first: First, machine: str) -> None:
    lab = first.platform.lab
    assert answer(lab, machine, "find / -xdev -name '*chom-new*' -o -xdev -name '.chom-*'") == ""
    assert answer(lab, machine, "find /usr/sbin -name policy-rc.d") == ""
    left = answer(lab, machine, "find /tmp -mindepth 1 ! -path '/tmp/systemd-*'")
    assert set(left.split()) - set(first.bare[machine].temporary.split()) == set()


@pytest.mark.parametrize("machine", MACHINES)
def test_security_updates_install_themselves(first: First, machine: str) -> None:
    lab = first.platform.lab
    settings = answer(lab, machine, "apt-config dump APT::Periodic")
    assert 'APT::Periodic::Update-Package-Lists "1";' in settings
    assert 'APT::Periodic::Unattended-Upgrade "1";' in settings
    for unit in ("apt-daily.timer", "apt-daily-upgrade.timer", "unattended-upgrades.service"):
        assert answer(lab, machine, f"systemctl is-active {unit}") == "active"
    origins = answer(lab, machine, "apt-config dump Unattended-Upgrade::Origins-Pattern")
    assert "label=Debian-Security" in origins
    assert "l=Debian-Security" in answer(lab, machine, "apt-cache policy")
