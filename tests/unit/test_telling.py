"""Who is told of which deployment, and what Grafana then shows."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pyinfra.api import Host

from state import telling
from state.record import Component, Record, Target
from tasks.grafana import annotations
from tasks.grafana.annotations import annotation
from tests.unit import test_record
from tests.unit.helpers import fake_state


def test_grafana_is_told_only_once_it_has_a_login(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A first deployment that failed early has made no login, and no Grafana."""
    login, curl = tmp_path / "login", tmp_path / "curl"
    curl.write_text(f"#!/bin/sh\ncat > {tmp_path}/told\n")
    curl.chmod(0o755)
    monkeypatch.setattr(annotations, "LOGIN", str(login))
    monkeypatch.setattr(annotations, "local_url", lambda site, path: "http://127.0.0.1:3000")
    command, stdin = annotations.announce(SimpleNamespace(), record(1).model_dump(mode="json"))  # type: ignore[arg-type]
    environ = {"PATH": f"{tmp_path}:/usr/bin:/bin"}

    def announce() -> int:
        return subprocess.run(["sh", "-c", command], env=environ, input=stdin, text=True).returncode

    assert announce() == 0
    assert not (tmp_path / "told").exists()
    login.touch()
    assert announce() == 0
    assert (tmp_path / "told").read_text() == stdin


@pytest.fixture
def host() -> Host:
    found = fake_state(["observability"]).inventory.get_host("@fake/observability")
    assert isinstance(found, Host)
    return found


def record(changed: int) -> Record:
    made = test_record.record()
    components = {"nginx": Component(changed=changed), "php": Component(unchanged=2)}
    made.targets = {
        "vpsmanager": Target(role="vpsmanager", address="10.9.0.21", components=components),
        "observability": Target(role="observability", address="10.9.0.11"),
    }
    made.deployer.user = "<b>ops</b>"
    made.started_at = "2026-11-23T15:51:31Z"
    made.close("completed", "2026-11-23T15:52:31Z")
    return made


def test_a_changing_deployment_is_told_with_its_record(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = []

    def run(host: Host, command: str, stdin: str, limit_s: int) -> tuple[bool, None]:
        told.append((host.name, command, stdin))
        return True, None

    monkeypatch.setattr(telling, "run_command", run)
    say = [(host, lambda data: ("say", data["status"]))]
    assert telling.tell(say, record(changed=1)) == []
    assert told == [("@fake/observability", "say", "completed")]


def test_one_that_changed_nothing_is_not_told(host: Host) -> None:
    def never(data: Mapping[str, Any]) -> tuple[str, str]:
        raise AssertionError("it was told")

    assert telling.tell([(host, never)], record(changed=0)) == []


def test_what_goes_wrong_is_told_instead(host: Host) -> None:
    def wrong(data: Mapping[str, Any]) -> tuple[str, str]:
        raise KeyError("no such thing")

    [line] = telling.tell([(host, wrong)], record(changed=1))
    assert "@fake/observability was not told of this deployment: KeyError" in line


def test_what_grafana_is_told() -> None:
    made = record(changed=3)
    told = annotation(made.model_dump(mode="json"))
    assert json.loads(json.dumps(told)) == told
    assert told["timeEnd"] - told["time"] == 60_000
    assert told["time"] == 1795449091000
    assert told["tags"] == ["deployment", "vpsmanager"]
    assert made.deployment_id in told["text"]
    assert "&lt;b&gt;ops&lt;/b&gt;" in told["text"] and "completed" in told["text"]
    assert "vpsmanager: 3 changes (nginx 3)" in told["text"]
    assert "php" not in told["text"] and "observability" not in told["text"]
