"""A new Prometheus in a hurry: what it starts with, what stays behind, and how that ends."""

import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from facts.services import hash_command
from tasks.operations import services
from tasks.operations.services import run_service
from tasks.prometheus import hurry

TEXT = "global:\n  scrape_interval: 15s\n  evaluation_interval: 15s\n"
STATE = {
    "exists": True,
    "enabled": True,
    "active": False,
    "failed": False,
    "held_off": False,
    "stale_unit": False,
    "same_runs": False,
    "same_reads": False,
    "replaced": False,
    "ready": False,
}
# Notes what it is told, and what its configuration says at that time.
SYSTEMCTL = """\
#!/bin/sh
case $1 in
    start | restart | reload)
        echo "$1 $(grep ' scrape_interval' {folder}/prometheus.yml)" >> {folder}/log
        sha256sum {folder}/prometheus.yml > {folder}/prometheus.service.reads;;
    is-failed) exit 1;;
    show) echo 0;;
esac
{ends}
"""


class Machine:
    """A Prometheus whose paths are in a folder, and its systemd."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.config = folder / "prometheus.yml"
        self.config.write_text(TEXT)
        self.environ = {"PATH": f"{folder}:/usr/bin:/bin"}
        self.answer(True)
        monkeypatch.setattr(hurry, "CONFIG_FILE", str(self.config))
        monkeypatch.setattr(hurry, "READS", (str(self.config),))
        monkeypatch.setattr(hurry, "DATA", str(folder))
        for module in (hurry, services):
            monkeypatch.setattr(module, "STARTED_WITH", str(folder))
        monkeypatch.setattr(services, "state", SimpleNamespace(is_executing=True))

    def answer(self, succeeds: bool) -> None:
        """Let systemctl succeed, or fail."""
        path = self.folder / "systemctl"
        ends = "exit 0" if succeeds else "exit 1"
        path.write_text(SYSTEMCTL.format(folder=self.folder, ends=ends))
        path.chmod(0o755)

    def run(self, command: str) -> int:
        return subprocess.run(["sh", "-c", command], env=self.environ).returncode

    @property
    def log(self) -> list[str]:
        return (self.folder / "log").read_text().splitlines()


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


def start(monkeypatch: pytest.MonkeyPatch, **found: Any) -> str:
    """What is done to the service in this state."""
    host = SimpleNamespace(get_fact=lambda *_, **__: {**STATE, **found})
    monkeypatch.setattr(services, "host", host)
    given: dict[str, Any] = {"runs": [], "reads": [], "upcoming": [], "upcoming_reads": []}
    given |= {"unit": hurry.UNIT, "ready": None, "limit_s": 1}
    (command,) = run_service._inner(**given, hurry=hurry.scrapes_each_second(15))
    return str(command)


def test_it_starts_with_a_second_and_its_file_stays_as_declared(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert machine.run(start(monkeypatch)) == 0
    assert machine.log == ["start   scrape_interval: 1s"]
    assert machine.config.read_text() == TEXT


def test_a_start_that_fails_leaves_the_file_as_declared(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.answer(False)
    assert machine.run(start(monkeypatch)) == 1
    assert machine.log == ["start   scrape_interval: 1s"]
    assert machine.config.read_text() == TEXT


def test_one_with_a_block_of_data_is_left_alone(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    (machine.folder / "01ABC").mkdir()
    assert machine.run(start(monkeypatch)) == 0
    assert machine.log == ["start   scrape_interval: 15s"]


def test_a_reload_is_none_of_its_business(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert machine.run(start(monkeypatch, active=True, same_runs=True)) == 0
    assert machine.log == ["reload   scrape_interval: 15s"]


def test_the_end_of_the_deployment_is_the_end_of_the_hurry(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert machine.run(start(monkeypatch)) == 0
    command, stdin = hurry.calm({})
    assert (machine.run(command), stdin) == (0, "")
    assert machine.log == ["start   scrape_interval: 1s", "reload   scrape_interval: 15s"]
    noted = subprocess.check_output(["sh", "-c", hash_command([str(machine.config)])])
    assert (machine.folder / "prometheus.service.reads").read_bytes() == noted
    assert machine.run(command) == 0
    assert len(machine.log) == 2


def test_a_prometheus_that_does_not_run_has_no_hurry(machine: Machine) -> None:
    machine.answer(False)
    command, _ = hurry.calm({})
    assert machine.run(command) == 0
    assert not (machine.folder / "log").exists()
