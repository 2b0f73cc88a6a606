"""Waiting for what only time brings, and what was true a moment ago."""

import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from facts.conditions import ComplaintNow, Condition
from tasks.operations import waiting
from tasks.operations.waiting import wait_until
from tests.unit.helpers import ThisComputer


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> ThisComputer:
    found = ThisComputer()
    monkeypatch.setattr(waiting, "host", found)
    executing(monkeypatch, True, [False])
    return found


def executing(monkeypatch: pytest.MonkeyPatch, is_so: bool, executed: list[bool]) -> None:
    """A run, or a plan; ``executed``: of each operation of another host, whether it did a thing."""
    metas = {
        number: SimpleNamespace(operation_meta=SimpleNamespace(executed=each))
        for number, each in enumerate(executed)
    }
    monkeypatch.setattr(waiting, "state", SimpleNamespace(is_executing=is_so, ops={"other": metas}))


def commands(condition: str) -> list[str]:
    given: dict[str, Any] = {
        "what": "it",
        "condition": condition,
        "limit_s": 1,
        "complaint": "it is not so",
    }
    return [str(each) for each in wait_until._inner(**given)]


def test_where_nothing_was_changed_an_answer_of_a_moment_ago_will_do(host: ThisComputer) -> None:
    assert commands("true") == []
    assert host.asked == [Condition]


def test_after_a_change_anywhere_it_is_asked_now(
    host: ThisComputer, monkeypatch: pytest.MonkeyPatch
) -> None:
    executing(monkeypatch, True, [False, True])
    assert commands("true") == []
    assert host.asked == [Condition, ComplaintNow]


def test_what_comes_in_time_is_no_change(host: ThisComputer, tmp_path: Path) -> None:
    third = f"echo >> {tmp_path}/asked; [ $(wc -l < {tmp_path}/asked) -ge 3 ]"
    assert commands(third) == []
    assert host.asked == [Condition, ComplaintNow]


def test_what_does_not_come_fails_and_says_why(host: ThisComputer) -> None:
    (command,) = commands("echo missing >&2; false")
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (1, "missing\nit is not so\n")


def test_a_plan_does_not_wait(host: ThisComputer, monkeypatch: pytest.MonkeyPatch) -> None:
    executing(monkeypatch, False, [])
    assert len(commands("false")) == 1
    assert host.asked == [Condition]
