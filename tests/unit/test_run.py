"""Whole runs of pyinfra's own command on its fake connector: the record is closed on every way out.

Each test is a process of its own, with real signals and exit codes.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from configs import PROJECT
from state.record import Record
from tests.unit.helpers import KNOWN

FAKE = "tests/unit/fakerun"


class FakeRun:
    """One run of ``pyinfra`` in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def start(
        self,
        *arguments: str,
        responses: Mapping[str, Any] | None = None,
        delays: Mapping[str, float] | None = None,
        action: str = "deploy",
        stdin: int = subprocess.DEVNULL,
        **environment: str,
    ) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [*self.command(action), *arguments],
            cwd=PROJECT,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**self.environment(responses, delays), **environment},
        )

    def command(self, action: str = "deploy") -> list[str]:
        """What is run, but for its arguments."""
        return [sys.executable, "-m", "pyinfra", f"{FAKE}/inventory.py", f"{FAKE}/{action}.py"]

    def environment(
        self,
        responses: Mapping[str, Any] | None = None,
        delays: Mapping[str, float] | None = None,
    ) -> dict[str, str]:
        """What the connector is told; no CI system is known of."""
        plain = {k: v for k, v in os.environ.items() if k not in ("GITHUB_ACTIONS", "GITLAB_CI")}
        return {
            **plain,
            "FAKE_FOLDER": str(self.folder),
            "FAKE_RESPONSES": json.dumps(responses or {}),
            "FAKE_DELAYS": json.dumps(delays or {}),
        }

    def __call__(self, *arguments: str, **options: Any) -> "subprocess.CompletedProcess[str]":
        process = self.start(*arguments, **options)
        stdout, stderr = process.communicate(timeout=120)
        assert "Traceback" not in stderr, stderr
        return subprocess.CompletedProcess(arguments, process.returncode, stdout, stderr)

    @property
    def records(self) -> list[Record]:
        """All records, oldest first."""
        files = sorted((self.folder / ".deploy-state" / "history").glob("*.json"))
        return [Record.model_validate_json(file.read_bytes()) for file in files]

    def wait_for_record(self, words: str) -> None:
        """Wait until the newest record's file holds ``words``."""
        current = self.folder / ".deploy-state" / "current.json"
        for _ in range(500):
            if current.exists() and words in current.read_text():
                return
            time.sleep(0.02)
        raise AssertionError(f"no record with {words}")


@pytest.fixture
def fake(tmp_path: Path) -> FakeRun:
    return FakeRun(tmp_path)


def statuses(record: Record) -> dict[str, str]:
    return {name.removeprefix("@fake/"): target.status for name, target in record.targets.items()}


def test_a_run_that_succeeds(fake: FakeRun) -> None:
    done = fake("-y")
    assert done.returncode == 0, done.stderr
    (record,) = fake.records
    assert record.status == "completed" and record.completed_at and record.duration_s is not None
    assert statuses(record) == {"observability": "completed", "vpsmanager": "completed"}
    target = record.targets["@fake/vpsmanager"]
    assert [each.status for each in target.components.values()] == ["completed", "completed"]
    assert (target.components["house"].changed, target.components["ground"].changed) == (2, 1)
    assert target.resources_created.files == ["/etc/ground", "/house/roof"]
    assert target.resources_created.directories == ["/house"]
    assert target.hardware and target.hardware["memory_mb"] == 2048
    assert "completed in" in done.stderr and record.deployment_id in done.stderr
    assert "look at: http://10.9.0.21/" in done.stderr
    assert (fake.folder / ".deploy-state/hardware").is_dir()


def test_what_stood_before_is_not_listed_as_created(fake: FakeRun) -> None:
    stood = {"files=%s": ["files=/etc/ground"], "v=$(": ["ground=1.0"]}
    assert fake("-y", responses=stood).returncode == 0
    target = fake.records[0].targets["@fake/vpsmanager"]
    assert target.resources_created.files == ["/house/roof"]
    assert target.components["ground"].version == "1.0"


def test_the_table_of_machines_is_printed_once(fake: FakeRun) -> None:
    assert fake("--dry").stderr.count("RAM(MB)") == 1


def test_findings_of_all_targets_are_one_report(fake: FakeRun) -> None:
    done = fake("--dry", FAKE_UNFIT="")
    assert done.returncode == 1
    report = done.stderr.partition("RAM(MB)")[2]
    for target in ("observability", "vpsmanager"):
        assert f"✗ @fake/{target}: memory: found 1 MB, expected at least 900 MB" in report
    assert "2 problems on @fake/observability, @fake/vpsmanager" in report
    assert report.index("2 problems") < report.index("No target can be deployed to")


def test_a_dry_run_writes_nothing(fake: FakeRun) -> None:
    done = fake("--dry")
    assert done.returncode == 0, done.stderr
    assert not (fake.folder / ".deploy-state").exists()


def test_json_is_all_that_is_on_standard_output(fake: FakeRun) -> None:
    document = json.loads(fake("-y", "--json").stdout)
    assert document["results"]["totals"]["error"] == 0
    assert document["results"]["totals"]["success"] == 6


def test_operations_of_two_roles_are_told_apart(fake: FakeRun) -> None:
    done = fake("-y", "--debug-operations")
    names = re.findall(r"\(names=\{([^}]*)\}", done.stdout + done.stderr)
    assert names and all("," not in each for each in names), done.stderr


def test_whoever_cannot_be_told_afterwards_fails_nothing(fake: FakeRun) -> None:
    answer = {"success": False, "stderr": ["nobody is at home"]}
    done = fake("-y", responses={"tell-somebody": answer})
    assert done.returncode == 0
    assert fake.records[0].status == "completed"
    for target in ("observability", "vpsmanager"):
        line = f"note: @fake/{target} was not told of this deployment: nobody is at home"
        assert line in done.stderr


def test_nobody_is_told_of_a_dry_run(fake: FakeRun) -> None:
    answer = {"success": False, "stderr": ["nobody is at home"]}
    assert "not told" not in fake("--dry", responses={"tell-somebody": answer}).stderr


def test_a_failing_target_ends_alone_and_the_exit_code_is_1(fake: FakeRun) -> None:
    answer = {"success": False, "stderr": ["the roof fell in", "very loudly"]}
    done = fake("-y", responses={"echo roof-of-observability": answer})
    assert done.returncode == 1
    (record,) = fake.records
    assert record.status == "failed"
    assert statuses(record) == {"observability": "failed", "vpsmanager": "completed"}
    error = record.targets["@fake/observability"].error
    assert error is not None
    assert (error.stage, error.component, error.operation) == (
        "deploy",
        "house",
        "Say roof-of-observability",
    )
    assert error.output == ["the roof fell in", "very loudly"]
    assert error.command and "roof-of-observability" in error.command
    assert error.remedy and error.remedy.startswith("mend what the output names; then run this")
    assert "--limit @fake/observability" in error.remedy
    assert "very loudly" in done.stderr
    components = record.targets["@fake/observability"].components
    assert (components["ground"].status, components["house"].status) == ("completed", "failed")


def test_no_word_of_a_failing_command_is_taken_for_noise(fake: FakeRun) -> None:
    answer = {"success": False, "stderr": ["Success is not what this was"]}
    done = fake("-y", responses={"echo roof-of-observability": answer})
    assert done.stderr.count("Success is not what this was") == 2
    assert "] Success\n" not in done.stderr


def test_an_unfit_target_is_left_out_alone(fake: FakeRun) -> None:
    done = fake("-y", FAKE_UNFIT="observability")
    assert done.returncode == 1
    (record,) = fake.records
    assert statuses(record) == {"observability": "failed", "vpsmanager": "completed"}
    error = record.targets["@fake/observability"].error
    assert error is not None and error.stage == "preflight"
    assert error.message == "memory: found 1 MB, expected at least 900 MB"
    assert error.remedy == "take a larger server"
    assert "memory: found 1 MB" in done.stderr and "take a larger server" in done.stderr


def test_a_mistake_while_preparing_leaves_out_that_target_alone(fake: FakeRun) -> None:
    done = fake("-y", FAKE_BROKEN="vpsmanager")
    assert done.returncode == 1
    (record,) = fake.records
    assert statuses(record) == {"observability": "completed", "vpsmanager": "failed"}
    assert "KeyError: 'a mistake in a component'" in done.stderr


def test_when_no_target_is_fit_nothing_is_changed_or_recorded(fake: FakeRun) -> None:
    done = fake("-y", FAKE_UNFIT="")
    assert done.returncode == 1
    assert "No target can be deployed to; nothing was changed" in done.stderr
    assert fake.records == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_closes_the_record(fake: FakeRun, number: signal.Signals, code: int) -> None:
    process = fake.start("-y", delays={"observability": 30, "vpsmanager": 0.01})
    fake.wait_for_record('"status": "running", "started_at"')  # of a target, not of the record
    process.send_signal(number)
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == code
    assert "Traceback" not in stderr and "Interrupted" in stderr
    (record,) = fake.records
    assert record.status == "interrupted" and record.completed_at
    assert statuses(record)["observability"] == "interrupted"
    note = f"{record.deployment_id}, begun at {record.started_at}, was interrupted at"
    assert f"{note} {record.completed_at}" in fake("--dry").stderr


def test_a_run_that_is_killed_is_closed_by_the_next(fake: FakeRun) -> None:
    process = fake.start("-y", delays={"observability": 30})
    fake.wait_for_record('"status": "running"')
    process.kill()
    process.communicate(timeout=120)
    assert fake.records[0].status == "running"
    cut_off = f"{fake.records[0].deployment_id}, begun at {fake.records[0].started_at}, was cut off"
    assert cut_off in fake("--dry").stderr
    done = fake("-y")
    assert cut_off in done.stderr
    assert done.returncode == 0
    first, second = fake.records
    assert (first.status, second.status) == ("interrupted", "completed")
    assert first.deployment_id in done.stderr
    assert second.previous and second.previous.deployment_id == first.deployment_id


def test_a_lane_that_stops_the_others_is_recorded(fake: FakeRun) -> None:
    done = fake(
        "-y",
        "--fail-percent",
        "0",
        responses={"roof-of-observability": {"success": False}},
        delays={"vpsmanager": 0.3},
    )
    assert done.returncode == 1
    (record,) = fake.records
    assert statuses(record) == {"observability": "failed", "vpsmanager": "failed"}
    assert "Over 0% of hosts failed" in done.stderr


def test_a_record_that_cannot_be_written_stops_before_any_change(fake: FakeRun) -> None:
    (fake.folder / ".deploy-state").mkdir()
    (fake.folder / ".deploy-state" / "history").touch()
    done = fake("-y")
    assert done.returncode == 1
    assert "nothing was changed: the record could not be written" in done.stderr
    assert "make room for .deploy-state" in done.stderr


def test_only_the_chosen_target_is_in_the_record(fake: FakeRun) -> None:
    assert fake("-y", "--limit", "vpsmanager").returncode == 0
    assert statuses(fake.records[0]) == {"vpsmanager": "completed"}


def test_what_is_no_deployment_is_not_recorded(fake: FakeRun) -> None:
    command = [sys.executable, "-m", "pyinfra", f"{FAKE}/inventory.py", "exec", "--", "true"]
    environment = {**os.environ, "FAKE_FOLDER": str(fake.folder)}
    done = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert fake.records == []


@pytest.mark.parametrize(
    "options",
    [["-vvv", "--debug"], ["-vvv", "--debug-all", "--diff"], ["--json"], []],
    ids=" ".join,
)
def test_a_secret_in_what_a_command_prints_goes_nowhere(fake: FakeRun, options: list[str]) -> None:
    said = [f"the door wants {KNOWN}", quote(KNOWN), json.dumps({"password": KNOWN})]
    answer = {"success": False, "stdout": said, "stderr": said}
    done = fake("-y", *options, responses={"echo roof-of-observability": answer})
    assert done.returncode == 1
    (record,) = fake.records
    error = record.targets["@fake/observability"].error
    assert error is not None and "the door wants [secret GUEST_PASSWORD]" in error.output
    assert "the door wants [secret GUEST_PASSWORD]" in done.stderr
    (file,) = (fake.folder / ".deploy-state" / "history").glob("*.json")
    for disguise in (KNOWN, quote(KNOWN), json.dumps(KNOWN)[1:-1]):
        assert disguise not in done.stdout + done.stderr + file.read_text()


def test_a_secret_in_a_crash_goes_nowhere(fake: FakeRun) -> None:
    done = fake("-y", "--debug", FAKE_CRASH="1")
    assert done.returncode == 1
    assert "[secret GUEST_PASSWORD]" in done.stderr and KNOWN not in done.stderr + done.stdout
