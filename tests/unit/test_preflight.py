"""The preflight: what keeps a target from being deployed to, and what is only worth a note."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from configs import Target
from facts.health import Health, HealthData, Holding, Listener
from facts.packages import FOLDER
from tasks.operations.apt import repair
from tasks.preflight import check
from tasks.redis.preflight import check_redis
from tests.unit.helpers import configuration, hardware
from tests.unit.test_scripts import sh, stub

NOW = 1795668000.0
SPECS = """\
targets:
  observability:
    {role: observability, address: 10.9.0.11, specs: {cpu: 4, memory_mb: 2000, disk_gb: 20}}
  vpsmanager: {role: vpsmanager, address: 10.9.0.21}
"""


@pytest.fixture
def target(tmp_path: Path) -> Target:
    return configuration(tmp_path).targets["observability"]


def health(**changes: Any) -> HealthData:
    fit = HealthData(
        root=True,
        mirror="mirror.example",
        resolves=True,
        broken_packages=[],
        unfinished_packages=[],
        ssh_ports=[22],
        ipv6_closed=[],
        records=[],
        clock=NOW,
        apt=[],
        free_mb={},
        listeners=[],
    )
    return HealthData(**{**fit, **changes})  # type: ignore[typeddict-item]


def test_a_fit_target_passes(target: Target) -> None:
    assert check(target, hardware(), health()) == []


@pytest.mark.parametrize(
    ("hardware_changes", "health_changes", "name", "found", "remedy"),
    [
        ({"os_version": "12", "os": "Debian 12.11"}, {}, "operating system", "12.11", "Debian 13"),
        ({"os_id": "ubuntu", "os": "Ubuntu 24.04"}, {}, "operating system", "Ubuntu", "Debian 13"),
        ({"memory_mb": 900}, {}, "memory", "900 MB", "preflight.observability.memory_mb"),
        ({"disk_free_mb": 100}, {}, "free disk", "100 MB", "preflight.observability.free_disk_mb"),
        ({}, {"root": False}, "root", "commands run as root", "ssh.sudo"),
        ({}, {"mirror": ""}, "apt sources", "none", "mirror"),
        ({}, {"resolves": False}, "name resolution", "mirror.example", "/etc/resolv.conf"),
        ({}, {"broken_packages": ["a", "b"]}, "dpkg", "a, b", "--reinstall a b"),
        ({}, {"unfinished_packages": ["a", "b"]}, "dpkg", "a, b", "dpkg --configure -a"),
        ({}, {"ipv6_closed": ["2001:db8::1"]}, "IPv6", "2001:db8::1", "IPV6=yes"),
    ],
)
def test_each_check(
    target: Target,
    hardware_changes: dict[str, Any],
    health_changes: dict[str, Any],
    name: str,
    found: str,
    remedy: str,
) -> None:
    (finding,) = check(target, hardware(**hardware_changes), health(**health_changes))
    assert finding.check == name
    assert found in finding.found
    assert remedy in finding.remedy
    assert not finding.warning
    assert str(finding) == f"{name}: found {finding.found}, expected {finding.expected}"


def test_all_findings_come_at_once(target: Target) -> None:
    findings = check(target, hardware(memory_mb=1), health(root=False, resolves=False))
    assert [each.check for each in findings] == ["memory", "root", "name resolution"]


def test_no_hardware_is_one_finding(target: Target) -> None:
    (finding,) = check(target, None, health())
    assert finding.check == "hardware"


def test_other_specs_than_detected_are_worth_a_note(tmp_path: Path) -> None:
    target = configuration(tmp_path, SPECS).targets["observability"]
    findings = check(target, hardware(), health())
    assert [each.check for each in findings] == ["specs.cpu", "specs.disk_gb"]
    assert all(each.warning for each in findings)
    assert findings[0].found == "1 detected"


def test_health_is_read_from_what_a_host_says() -> None:
    lines = ["uid=0", "mirror=mirror.example", "resolves=yes", "broken=foo", "broken=bar"]
    lines += ["ssh_port=22", f"clock={NOW:.0f}"]
    assert Health().process(lines) == health(broken_packages=["foo", "bar"])
    assert Health().process(["uid=1000", "mirror="]) == health(
        root=False, mirror="", resolves=False, ssh_ports=[], records=[], clock=None
    )


def test_clock_locks_and_disks_are_read_too() -> None:
    lines = ["clock=1795668000", "apt=123 40 unattended-upgr", "free=900 /var", "free=900 /"]
    found = Health().process(lines)
    assert found["clock"] == NOW
    assert found["apt"] == [Holding(123, 40, "unattended-upgr")]
    assert found["free_mb"] == {"/var": 900}


@pytest.mark.parametrize(
    ("began_before_s", "ended_after_s", "off_s", "found", "warning"),
    [
        (0, 0, 30, None, None),
        (0, 0, 31, "31 s ahead of this computer's", True),
        (1, 0, -33, "31 s behind this computer's", True),
        (0, 0, 299, "299 s ahead", True),
        (0, 0, 301, "301 s ahead", False),
        (0, 0, -3600, "behind", False),
        # The answer took its time: nothing is sure of it.
        (100, 100, 120, None, None),
        (100, 100, -120, None, None),
        (100, 100, 140, "40 s ahead", True),
    ],
)
def test_clock_that_is_off(
    target: Target,
    began_before_s: int,
    ended_after_s: int,
    off_s: int,
    found: str | None,
    warning: bool | None,
) -> None:
    asked = NOW - began_before_s, NOW + ended_after_s
    findings = check(target, hardware(), health(clock=NOW + off_s), asked)
    assert [each.check for each in findings] == (["clock"] if found else [])
    for each in findings:
        assert found and found in each.found
        assert each.warning is warning
        assert "timedatectl set-ntp true" in each.remedy


def test_target_that_does_not_tell_the_time_is_not_judged_by_it(target: Target) -> None:
    assert check(target, hardware(), health(clock=None), (NOW, NOW)) == []


def test_whoever_is_at_work_with_packages_is_named(target: Target) -> None:
    busy = health(apt=[Holding(123, 40, "unattended-upgr")])
    (finding,) = check(target, hardware(), busy)
    assert finding.warning
    assert finding.found == "at work: unattended-upgr (pid 123), running for 40 s"
    assert "waits for it, up to 300 s" in finding.remedy


def test_each_disk_that_is_written_to_needs_room(target: Target) -> None:
    (finding,) = check(target, hardware(), health(free_mb={"/var": 100, "/var/lib": 9000}))
    assert finding.found == "100 MB on /var"


def test_port_that_another_program_has(target: Target) -> None:
    listeners = [
        Listener(80, 12, "apache2.service", "apache2"),
        Listener(443, 12, "apache2.service", "apache2"),
        Listener(3306, 13, "mysql.service", "mysqld"),
    ]
    (finding,) = check(target, hardware(), health(listeners=listeners))
    assert finding.check == "port 80" and not finding.warning
    assert finding.found == "apache2 (pid 12, apache2.service) listens there"
    assert "systemctl disable --now apache2.service" in finding.remedy


def test_our_own_service_may_have_its_port(target: Target) -> None:
    own = health(listeners=[Listener(80, 12, "nginx.service", "nginx")])
    assert check(target, hardware(), own) == []


def test_what_an_application_server_needs(tmp_path: Path) -> None:
    target = configuration(tmp_path).targets["vpsmanager"]
    taken = health(listeners=[Listener(3306, 13, "mysql.service", "mysqld")])
    (finding,) = check(target, hardware(), taken)
    assert finding.check == "port 3306" and "mariadb.service" in finding.expected


def test_a_redis_that_serves_somebody_else_is_left_alone(tmp_path: Path) -> None:
    targets = configuration(tmp_path).targets
    there = health(listeners=[Listener(6379, 13, "redis-server.service", "redis-server")])
    (finding,) = check_redis(targets["vpsmanager"], there, set())
    assert finding.check == "Redis" and "disable --now redis-server" in finding.remedy
    ours = {("services", "redis-server.service")}
    assert check_redis(targets["vpsmanager"], there, ours) == []
    assert check_redis(targets["observability"], there, set()) == []
    elsewhere = health(listeners=[Listener(6379, 13, "mine.service", "redis-server")])
    assert check_redis(targets["vpsmanager"], elsewhere, set()) == []


def test_listeners_are_read_with_and_without_a_unit() -> None:
    found = Health().process(["listen=80 12 nginx.service nginx", "listen=6379 13  redis-server"])
    assert found["listeners"] == [
        Listener(80, 12, "nginx.service", "nginx"),
        Listener(6379, 13, "", "redis-server"),
    ]


def test_the_holder_of_a_lock_is_found(tmp_path: Path) -> None:
    """By the fact's own command, on this computer, where another process holds a lock."""
    lock = tmp_path / "lock"
    holder = subprocess.Popen(
        ["flock", lock, "sh", "-c", "echo held; read end"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with holder:
        assert holder.stdout and holder.stdout.readline() == "held\n"
        command = Health().command().replace("/var/lib/apt/lists/lock", str(lock))
        said = subprocess.run(["sh", "-c", command], capture_output=True, text=True).stdout
        holder.communicate("\n")
    found = {each.pid: each for each in Health().process(said.splitlines())["apt"]}[holder.pid]
    assert found.program == "flock"
    assert 0 <= found.for_s < 60


DPKG = """\
printf '%s\\n' 'ii whole' 'rc gone' 'iFRbroken' 'iF mine' 'iU unpacked' 'rH half' 'iW waits'
"""


@pytest.mark.parametrize(
    ("lists", "unfinished"),
    [
        ({}, ["mine", "unpacked", "half"]),
        ({"brought": "mine\nother\n"}, ["unpacked", "half"]),
        # A transaction of ours was cut off: the deploy goes on with it.
        ({"brought": "mine\n", "before": "whole\n"}, []),
    ],
)
def test_packages_of_others_that_are_installed_by_half_are_found(
    tmp_path: Path, lists: dict[str, str], unfinished: list[str]
) -> None:
    """By the fact's own command, on this computer, with another dpkg."""
    for name, text in lists.items():
        (tmp_path / f"packages.{name}").write_text(text)
    command = Health().command().replace(FOLDER, str(tmp_path))
    command = command.replace("/var/lib/dpkg/lock-frontend", str(tmp_path / "lock"))
    command = command.replace("/run/chom/apt.lock", str(tmp_path / "lock"))
    done = sh(command, PATH=stub(tmp_path, {"dpkg-query": DPKG}))
    found = Health().process(done.stdout.splitlines())
    assert found["broken_packages"] == ["broken"]
    assert found["unfinished_packages"] == unfinished


@pytest.mark.parametrize(("fails", "code", "runs"), [(0, 0, 1), (1, 0, 2), (9, 1, 2)])
def test_a_package_that_cannot_be_configured_is_no_lock_to_wait_for(
    tmp_path: Path, fails: int, code: int, runs: int
) -> None:
    counted = f'echo run >> {tmp_path}/runs; [ "$(wc -l < {tmp_path}/runs)" -gt {fails} ]'
    done = sh(repair(300), PATH=stub(tmp_path, {"dpkg": counted, "sleep": "true"}))
    assert done.returncode == code
    assert len((tmp_path / "runs").read_text().splitlines()) == runs
