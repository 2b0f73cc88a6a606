"""The history of real deployments: what its commands tell, and going back to earlier settings."""

import json
from typing import Any

import pytest

from state.record import Record
from tests.e2e.machines import answer
from tests.e2e.platform import Platform
from tests.e2e.project import changed

CONFIG = "/etc/chom/redis/laravel-queue.conf"
KEY = "settings.redis.queue_memory_mb"


@pytest.fixture(scope="module")
def two(platform: Platform) -> tuple[Record, Record]:
    """A deployment, and one with another setting after it, which is the current one."""
    platform.settle()
    first = platform.converge({KEY: 97})
    second = platform.converge({KEY: 101})
    return first, second


def told(platform: Platform, *arguments: str) -> Any:
    """The JSON of a command."""
    outcome = platform.project.state_command(*arguments, "--json")
    assert outcome.code == 0, outcome
    return json.loads(outcome.out)


def test_history_tells_who_did_what(platform: Platform, two: tuple[Record, Record]) -> None:
    newest, before, *_ = told(platform, "history")["records"]
    assert [newest["deployment_id"], before["deployment_id"]] == [
        two[1].deployment_id,
        two[0].deployment_id,
    ]
    assert newest["current"] and newest["status"] == "completed"
    assert newest["changes"] == sum(changed(two[1]).values()) > 0
    shown = platform.project.state_command("history").out
    assert two[1].deployment_id in shown and "\x1b" not in shown


def test_diff_tells_the_setting_that_differs(
    platform: Platform, two: tuple[Record, Record]
) -> None:
    text = platform.project.state_command("diff", "previous", "current").out
    assert "redis.queue_memory_mb" in text and "97" in text and "101" in text


def test_all_of_it_is_what_was_written(platform: Platform, two: tuple[Record, Record]) -> None:
    verdict = told(platform, "verify")
    assert verdict["ok"] and verdict["findings"] == []
    path = platform.project.state / "history" / f"{two[0].deployment_id}.json"
    content = path.read_bytes()
    path.write_bytes(content.replace(b'"user": "root"', b'"user": "nobody"'))
    outcome = platform.project.state_command("verify")
    path.write_bytes(content)
    assert outcome.code == 1
    assert two[0].deployment_id in outcome.out and "changed" in outcome.out


def test_what_somebody_changed_by_hand_is_seen_and_told(
    platform: Platform, two: tuple[Record, Record]
) -> None:
    changes = {KEY: 101}
    matched = platform.project.deploy("--dry", changes=changes)
    assert matched.code == 0, matched
    shown = platform.project.state_command("show", "current", "vpsmanager").out
    assert "by a dry run" in shown and "differs" not in shown

    platform.unsettle()
    answer(platform.lab, "vpsmanager", f"echo '# by hand' >> {CONFIG}")
    drifted = platform.project.deploy("--dry", changes=changes)
    assert drifted.code == 0, drifted
    shown = " ".join(platform.project.state_command("show", "current", "vpsmanager").out.split())
    assert f"differs since the dry run just now: redis | {CONFIG}" in shown
    assert set(changed(platform.converge(changes))) == {("vpsmanager", "redis")}


def test_settings_of_before_come_back(platform: Platform, two: tuple[Record, Record]) -> None:
    platform.unsettle()
    wanted = two[0].deployment_id
    outcome = platform.project.deploy("-y", "--data", f"from={wanted[-6:]}", changes={KEY: 101})
    assert outcome.code == 0, outcome
    assert f"the settings are those of the deployment {wanted}" in outcome.text
    before_connecting = outcome.text.partition("Connecting to hosts")[0]
    assert "redis.queue_memory_mb" in before_connecting
    assert "maxmemory 97mb" in answer(platform.lab, "vpsmanager", f"cat {CONFIG}")
    record = platform.project.record()
    assert record.config.settings_from == wanted
    assert record.config.settings == two[0].config.settings


def test_an_unknown_deployment_is_refused_before_anything_is_connected_to(
    platform: Platform, two: tuple[Record, Record]
) -> None:
    outcome = platform.project.deploy("-y", "--data", "from=zzzzzz")
    assert outcome.code == 1, outcome
    assert "zzzzzz" in outcome.text and "Connecting" not in outcome.text
