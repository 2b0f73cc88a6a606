"""The preflight: what keeps a target from being deployed to, and what is only worth a note."""

from pathlib import Path
from typing import Any

import pytest

from configs import Target
from facts.health import Health, HealthData
from tasks.preflight import check
from tests.unit.helpers import configuration, hardware

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
        ssh_ports=[22],
        records=[],
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
    lines.append("ssh_port=22")
    assert Health().process(lines) == health(broken_packages=["foo", "bar"])
    assert Health().process(["uid=1000", "mirror="]) == health(
        root=False, mirror="", resolves=False, ssh_ports=[], records=[]
    )
