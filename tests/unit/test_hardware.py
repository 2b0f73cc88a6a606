"""The hardware fact, on output captured from real machines."""

from datetime import UTC, datetime

from facts.hardware import parse

NOW = datetime(2026, 11, 23, 15, 4, 5, tzinfo=UTC)

SMALL_DEBIAN_13 = """\
cpu=1
memory_mb=2048
swap_mb=0
disk_mb=258020
disk_free_mb=76998
architecture=x86_64
kernel=6.18.44-fc-v669
os_id=debian
os_version=13
debian_version=13.8
os_name=Debian GNU/Linux
virtualisation=systemd-nspawn
machine=0f3a5c7e9b1d2f46
"""

DEBIAN_12 = """\
cpu=2
memory_mb=24105
swap_mb=0
disk_mb=258020
disk_free_mb=76998
architecture=x86_64
kernel=6.18.44-fc-v669
os_id=debian
os_version=12
debian_version=12.11
os_name=Debian GNU/Linux
virtualisation=docker
"""


def test_a_debian_13_machine() -> None:
    assert parse(SMALL_DEBIAN_13.splitlines(), NOW) == {
        "cpu": 1,
        "memory_mb": 2048,
        "swap_mb": 0,
        "disk_gb": 252,
        "disk_free_gb": 75,
        "disk_free_mb": 76998,
        "architecture": "x86_64",
        "os": "Debian 13.8",
        "os_id": "debian",
        "os_version": "13",
        "kernel": "6.18.44-fc-v669",
        "virtualisation": "systemd-nspawn",
        "machine": "0f3a5c7e9b1d2f46",
        "detected_at": "2026-11-23T15:04:05Z",
    }


def test_a_debian_12_machine_is_told_apart() -> None:
    found = parse(DEBIAN_12.splitlines(), NOW)
    assert found is not None
    assert (found["os"], found["os_version"], found["memory_mb"]) == ("Debian 12.11", "12", 24105)


def test_another_system_keeps_its_own_name() -> None:
    lines = DEBIAN_12.replace("os_id=debian", "os_id=ubuntu").replace(
        "os_name=Debian GNU/Linux", "os_name=Ubuntu"
    )
    found = parse(lines.splitlines(), NOW)
    assert found is not None
    assert found["os"] == "Ubuntu 12"


def test_a_machine_on_bare_metal() -> None:
    lines = SMALL_DEBIAN_13.replace("virtualisation=systemd-nspawn", "virtualisation=")
    found = parse(lines.splitlines(), NOW)
    assert found is not None
    assert found["virtualisation"] == "none"


def test_noise_around_the_answer_is_no_part_of_it() -> None:
    found = parse(["Welcome!", *SMALL_DEBIAN_13.splitlines(), ""], NOW)
    assert found is not None
    assert found["cpu"] == 1


def test_what_is_missing_or_no_number_is_no_answer() -> None:
    assert parse([], NOW) is None
    assert parse(SMALL_DEBIAN_13.replace("memory_mb=2048\n", "").splitlines(), NOW) is None
    assert parse(SMALL_DEBIAN_13.replace("cpu=1", "cpu=").splitlines(), NOW) is None
