"""What the record and the console tell of releases, in whole runs on pyinfra's fake connector."""

import json
from pathlib import Path
from typing import Any

import pytest

from state.record import Component, Target
from tests.unit.test_run import FakeRun

LIVE = {
    "app": "shop",
    "release": "20261123-120000-abcdef0",
    "revision": "abcdef0" + "1" * 33,
    "last": {
        "release": "20261123-130000-1234567",
        "event": "bad",
        "at": "2100-01-01T00:00:00Z",
        "step": "migrate",
        "output": ["no such table"],
        "dump": "/var/backups/chom/shop/20261123-130000-1234567.sql.gz",
    },
}
HELD = {
    "release": "20261123-130000-1234567",
    "revision": "1234567" + "0" * 33,
    "at": "2026-11-23T13:30:00Z",
    "by": "ada@laptop",
}
NONE = {"app": "blog", "release": None, "revision": None}


def refusing(*words: str) -> dict[str, Any]:
    return {f"echo {word}": {"success": False, "stderr": f"{word} is refused"} for word in words}


@pytest.fixture
def fake(tmp_path: Path) -> FakeRun:
    return FakeRun(tmp_path)


def run(fake: FakeRun, code: int, responses: dict[str, Any]) -> tuple[Target, str]:
    """What the record says of a target after a run that ended with this exit code; its words."""
    done = fake("-y", responses=responses, FAKE_RELEASES="1")
    assert done.returncode == code, done.stderr
    return fake.records[-1].targets["@fake/vpsmanager"], done.stderr


def telling(*reports: object) -> dict[str, Any]:
    return {"tell-releases": [json.dumps(each) for each in reports]}


def guests(target: Target) -> Component:
    return target.components["guests"]


def test_what_serves_is_in_the_record(fake: FakeRun) -> None:
    target, _ = run(fake, 0, telling(LIVE, NONE))
    shop, blog = guests(target).releases
    assert (shop.app, shop.release, shop.revision) == ("shop", LIVE["release"], LIVE["revision"])
    assert shop.last and (shop.last.step, shop.last.output) == ("migrate", ["no such table"])
    assert (blog.app, blog.release, blog.last) == ("blog", None, None)
    assert target.components["house"].releases == []


def test_it_is_printed(fake: FakeRun) -> None:
    _, words = run(fake, 0, telling(LIVE, NONE))
    last = LIVE["last"]
    assert isinstance(last, dict)
    assert f"shop: {LIVE['release']}; {last['release']} is bad: migrate;" in words
    assert f"to have the database as before: zcat {last['dump']} | mariadb shop" in words
    assert "blog: no release\n" in words


def test_what_a_rollback_holds_back_is_printed(fake: FakeRun) -> None:
    target, words = run(fake, 0, telling({**LIVE, "held": HELD}))
    assert guests(target).releases[0].held
    assert "commit 123456700000 is held back since the rollback by ada@laptop" in words
    assert "--data app=shop --data release=20261123-130000-1234567" in words


def test_what_went_wrong_long_ago_is_not_printed_again(fake: FakeRun) -> None:
    old = {**LIVE, "last": {**LIVE["last"], "at": "2020-01-01T00:00:00Z"}}  # type: ignore[dict-item]
    _, words = run(fake, 0, telling(old))
    assert f"shop: {LIVE['release']}\n" in words and "is bad" not in words


def test_a_failed_component_is_reported_as_well(fake: FakeRun) -> None:
    target, words = run(fake, 1, {**refusing("first-guest"), **telling(LIVE)})
    assert guests(target).status == "failed"
    assert [each.app for each in guests(target).releases] == ["shop"]
    assert f"shop: {LIVE['release']}" in words


def test_what_fails_alone_fails_its_component_and_target(fake: FakeRun) -> None:
    target, words = run(fake, 1, refusing("first-guest"))
    assert target.status == guests(target).status == "failed"
    # The other guest, and the host.
    assert guests(target).changed == 2
    assert target.components["party"].status == "skipped"
    error = target.error
    assert error and (error.component, error.operation) == ("guests", "Say first-guest")
    assert error.output == ["first-guest is refused"]
    assert error.command and "echo first-guest" in error.command
    assert "first-guest is refused" in words


def test_all_that_failed_alone_is_in_the_record(fake: FakeRun) -> None:
    target, _ = run(fake, 1, refusing("first-guest", "second-guest"))
    error = target.error
    assert error and error.operation == "Say first-guest"
    assert "Say second-guest: " in error.message
    assert error.output == ["first-guest is refused", "second-guest is refused"]
    assert guests(target).changed == 1


def test_what_ends_a_component_is_told_beside_what_failed_alone(fake: FakeRun) -> None:
    target, _ = run(fake, 1, refusing("first-guest", "host"))
    error = target.error
    assert error and error.operation == "Say first-guest"
    assert "Say host: " in error.message and error.output[-1] == "host is refused"


@pytest.mark.parametrize(
    "lines",
    [["no JSON"], ["[1]"], [json.dumps({"app": "shop", "colour": "red"})],
     [json.dumps({**NONE, "last": {"release": "a", "event": "odd", "at": "now"}})]],
)  # fmt: skip
def test_a_report_that_nobody_understands_fails_no_deployment(
    fake: FakeRun, lines: list[str]
) -> None:
    target, _ = run(fake, 0, {"tell-releases": lines})
    assert guests(target).releases == []


def test_what_a_dry_run_would_do_asks_for_no_report(fake: FakeRun) -> None:
    done = fake("--dry", responses=telling(LIVE), FAKE_RELEASES="1")
    assert done.returncode == 0, done.stderr
    assert str(LIVE["release"]) not in done.stderr
