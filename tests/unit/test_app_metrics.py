"""What Prometheus is told of applications, and what it is not told when nobody answers."""

import json
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tasks.releases.host import metrics
from tasks.releases.host.app import App
from tests.unit.releasing import Machine


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> App:
    """An application with two workers and two queues; its password is in a file."""
    described = Machine(tmp_path, monkeypatch).app
    (tmp_path / "password").write_text("the password")
    return replace(
        described, queues=("high", "default"), redis=("-p", "6379", str(tmp_path / "password"))
    )


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What each program says; a program that is not in it fails."""
    said = {
        "redis-cli": "3\n1\n0\n0\n0\n2\n",
        "mariadb show": "failed_jobs\n",
        "mariadb select": "4\n",
        "systemctl": "active\n\nfailed\n",
    }

    def run(command: Sequence[str], **options: Any) -> Any:
        words = [command[0]]
        if command[0] == "mariadb":
            words.append(command[3].split()[0])
        if command[0] == "redis-cli":
            assert "the password" not in command
            assert options["env"]["REDISCLI_AUTH"] == "the password"
        text = said.get(" ".join(words))
        binary = not options.get("text")
        out = (text or "").encode() if binary else text or ""
        return SimpleNamespace(returncode=0 if text is not None else 1, stdout=out)

    monkeypatch.setattr(subprocess, "run", run)
    return said


def samples(app: App) -> dict[str, str]:
    lines = metrics.text([app]).splitlines()
    return dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))


def test_queues_failed_jobs_and_workers_are_counted(app: App, answers: dict[str, str]) -> None:
    def jobs(queue: str, state: str) -> str:
        return f'laravel_queue_jobs{{app="shop",queue="{queue}",state="{state}"}}'

    assert samples(app) == {
        jobs("high", "ready"): "3",
        jobs("high", "reserved"): "1",
        jobs("high", "delayed"): "0",
        jobs("default", "ready"): "0",
        jobs("default", "reserved"): "0",
        jobs("default", "delayed"): "2",
        'laravel_failed_jobs{app="shop"}': "4",
        'laravel_workers{app="shop"}': "1",
        # There is no release yet that they could run.
        'laravel_workers_wanted{app="shop"}': "0",
    }


def test_workers_are_wanted_once_there_is_a_release(app: App, answers: dict[str, str]) -> None:
    (app.releases / "20261123-120000-abcdef0").mkdir(parents=True, exist_ok=True)
    app.current.symlink_to("releases/20261123-120000-abcdef0")
    assert samples(app)['laravel_workers_wanted{app="shop"}'] == "2"


def test_without_a_table_no_job_has_failed(app: App, answers: dict[str, str]) -> None:
    answers["mariadb show"] = ""
    assert samples(app)['laravel_failed_jobs{app="shop"}'] == "0"


def test_what_does_not_answer_is_not_told_of(app: App, answers: dict[str, str]) -> None:
    answers["redis-cli"] = "NOAUTH Authentication required.\n"
    del answers["mariadb show"]
    found = samples(app)
    assert not [name for name in found if "queue" in name or "failed" in name]
    assert found['laravel_workers{app="shop"}'] == "1"


def test_every_metric_is_described_once(app: App, answers: dict[str, str]) -> None:
    lines = metrics.text([app, replace(app, name="blog")]).splitlines()
    for name in metrics.HELP:
        assert [line for line in lines if line.startswith(f"# TYPE {name} ")] == [
            f"# TYPE {name} gauge"
        ]


def test_one_that_cannot_be_read_costs_no_other_its_metrics(app: App, tmp_path: Path) -> None:
    folder = tmp_path / "apps"
    folder.mkdir()
    described = {**asdict(app), "base": str(app.base)}
    (folder / "shop.json").write_text(json.dumps(described))
    (folder / "blog.json").write_text("{")
    assert App.all(folder) == [app]
