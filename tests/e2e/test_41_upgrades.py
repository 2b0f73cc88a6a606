"""Upgrades of the vendors' packages: what is installed runs, and no line of a log is lost."""

import re
from collections.abc import Iterator, Mapping

import pytest

from configs.versions import load_versions
from state.record import Record
from tests.e2e.machines import all_units, answer
from tests.e2e.platform import Platform
from tests.e2e.polling import wait_for
from tests.e2e.project import changed
from tests.e2e.test_18_logs import logged, wait_for_line

PINS = load_versions().pins
# Package → its unit, the machines that have it, and the setting of its version.
UNITS = {"alloy": "alloy", "loki": "loki", "grafana": "grafana-server", "promtail": "promtail"}
MACHINES = {
    "alloy": ("observability", "vpsmanager"),
    "promtail": ("observability", "vpsmanager"),
    "loki": ("observability",),
    "grafana": ("observability",),
}
SETTINGS = {
    "alloy": "settings.logs.version",
    "promtail": "settings.logs.version",
    "loki": "settings.loki.version",
    "grafana": "settings.grafana.version",
}
# Of the log shipper, the release that gives the journal another `job` by default.
NEWER = {"alloy": "1.19.0-1", "loki": "3.7.7", "grafana": "13.2.4"}
OLDER = {"promtail": "3.6.14"}
LINES = 600


def setting(versions: Mapping[str, str]) -> dict[str, str]:
    return {SETTINGS[package]: version for package, version in versions.items()}


def changed_targets(record: Record) -> set[str]:
    return {target for target, _ in changed(record)}


def is_installed_and_runs(platform: Platform, versions: Mapping[str, str]) -> None:
    """Each package is installed in its version, and its unit runs from the program of that."""
    for package, version in versions.items():
        for machine in MACHINES[package]:
            installed = f"dpkg-query -W -f='${{Version}}' {package}"
            assert answer(platform.lab, machine, installed) == version
            unit = UNITS[package]
            assert answer(platform.lab, machine, f"systemctl is-active {unit} || :") == "active"
            process = answer(platform.lab, machine, f"systemctl show -P MainPID {unit}")
            program = answer(platform.lab, machine, f"readlink /proc/{process}/exe")
            assert "(deleted)" not in program, (machine, unit)


@pytest.fixture
def talk(deployed: Platform) -> Iterator[str]:
    """The name of a unit that logs numbered lines on the application's machine, ten a second."""
    name = f"talk-{len(deployed.project.records())}"
    loop = f"for n in $(seq {LINES}); do echo {name}-$n-; sleep 0.1; done"
    answer(deployed.lab, "vpsmanager", f"systemd-run -q -u {name} sh -c '{loop}'")
    yield name
    answer(deployed.lab, "vpsmanager", f"systemctl stop {name} 2>/dev/null || :")


def all_said(platform: Platform, unit: str) -> None:
    """Every line of a unit up to now is in Loki, once."""
    answer(platform.lab, "vpsmanager", f"systemctl stop {unit} 2>/dev/null || :")
    journal = answer(platform.lab, "vpsmanager", f"journalctl -u {unit} -o cat --no-pager")
    expected = [line for line in journal.splitlines() if line.startswith(f"{unit}-")]
    assert len(expected) > 50
    labels = f'job="journal",unit="{unit}.service"'
    wait_for_line(platform, labels, expected[-1])

    def is_complete() -> bool:
        found = logged(platform, f'{{{labels}}} |= "{unit}-"')
        return sorted(found) == sorted(expected)

    wait_for(f"each of {len(expected)} lines once", is_complete, 30, every_s=1)


def test_an_upgrade_runs_what_it_installs_and_a_step_back_as_well(
    deployed: Platform, talk: str
) -> None:
    pinned = {package: PINS.version_of(package) for package in NEWER}
    plan = deployed.project.deploy("--dry", changes=setting(NEWER))
    assert plan.code == 0, plan
    for unit in ("alloy.service", "loki.service", "grafana-server.service"):
        assert re.search(rf"restart.*{re.escape(unit)}", plan.text), plan

    record = deployed.converge(setting(NEWER))
    is_installed_and_runs(deployed, NEWER)
    observability = record.targets["observability"].components
    assert observability["loki"].version == NEWER["loki"]
    assert observability["log_shipper"].version == NEWER["alloy"]
    assert changed(deployed.converge(setting(NEWER))) == {}

    deployed.converge()
    is_installed_and_runs(deployed, pinned)
    all_said(deployed, talk)
    assert changed(deployed.converge()) == {}


def test_a_refused_upgrade_leaves_what_runs(deployed: Platform) -> None:
    """One that does not exist, and one that is known to be broken."""
    units = all_units(deployed.lab)
    for versions in ({"loki": "3.99.0", "alloy": "1.99.0-1"}, {"grafana": "13.2.0"}):
        outcome = deployed.deploy(setting(versions))
        assert outcome.code == 1, outcome
        for package, version in versions.items():
            finding = rf"✗ observability: (package )?{package}\b.*{re.escape(version)}"
            assert re.search(finding, outcome.text), outcome
        record = deployed.project.records()[-1]
        assert "observability" not in changed_targets(record), outcome
    assert all_units(deployed.lab) == units
    assert changed(deployed.converge()) == {}


@pytest.mark.drill
def test_promtail_steps_back_and_forth(deployed: Platform, talk: str) -> None:
    shipper = {"settings.logs.shipper": "promtail"}
    deployed.converge({**shipper, **setting(OLDER)})
    is_installed_and_runs(deployed, OLDER)
    deployed.converge(shipper)
    is_installed_and_runs(deployed, {"promtail": PINS.promtail.version})
    assert changed(deployed.converge(shipper)) == {}
    all_said(deployed, talk)
