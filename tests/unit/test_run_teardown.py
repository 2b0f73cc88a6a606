"""Whole runs on the fake connector: what is created is recorded for whom, and taken away again."""

import json
from pathlib import Path
from typing import Any

import pytest

from state.record import Record, Resource
from state.store import Store
from tests.unit.helpers import KEY
from tests.unit.test_run import FakeRun

VPS = "@fake/vpsmanager"
NAMES = "@fake/observability,@fake/vpsmanager"
ALL = ("--data", f"yes_teardown={NAMES}")
# Whatever is asked of a host, it is there.
THERE = {"echo yes": ["yes"]}


@pytest.fixture
def fake(tmp_path: Path) -> FakeRun:
    return FakeRun(tmp_path)


def created(record: Record, component: str) -> list[tuple[str, str]]:
    its = record.targets[VPS].components[component].created
    return [(each.kind, each.name) for each in its]


def removed(record: Record) -> dict[str, list[tuple[str, str]]]:
    return {
        name: [(each.kind, each.name) for each in its.removed]
        for name, its in record.targets[VPS].components.items()
        if its.removed
    }


def owned(fake: FakeRun) -> list[tuple[str, str]]:
    store = Store(fake.folder / ".deploy-state", key=KEY)
    return [(each.kind, each.name) for each in store.owned(VPS)]


def tear_down(fake: FakeRun, *arguments: str, **options: Any) -> Any:
    return fake("-y", *ALL, *arguments, action="teardown", **options)


def test_each_component_lists_its_own_once(fake: FakeRun) -> None:
    assert fake("-y").returncode == 0
    assert fake("-y").returncode == 0
    first, second = fake.records
    assert created(first, "ground") == [("files", "/etc/ground")]
    assert created(first, "house") == [("directories", "/house"), ("files", "/house/roof")]
    assert created(second, "ground") == created(second, "house") == []
    assert second.targets[VPS].resources_created.files == []


def test_of_a_file_that_stood_there_the_original_is_ours(fake: FakeRun) -> None:
    assert fake("-y", responses={"files=%s": ["files=/etc/ground"]}).returncode == 0
    [record] = fake.records
    assert created(record, "ground") == [("originals", "/etc/ground")]
    assert record.targets[VPS].resources_created.files == ["/house/roof"]
    assert ("originals", "/etc/ground") in owned(fake)


def test_what_was_handed_over_is_ours_from_then_on(fake: FakeRun) -> None:
    there = {"artifacts=%s": ["artifacts=/house/cellar"]}
    cellar = ("artifacts", "/house/cellar")
    assert fake("-y", responses=there, FAKE_CELLAR="deep").returncode == 0
    assert cellar not in owned(fake)
    adopt = ("--data", "adopt=artifacts//house/cellar")
    assert fake("-y", *adopt, responses=there, FAKE_CELLAR="deep").returncode == 0
    assert cellar in created(fake.records[-1], "house") and cellar in owned(fake)


def test_a_killed_run_has_listed_what_it_was_about_to_create(fake: FakeRun) -> None:
    process = fake.start("-y", "--limit", "vpsmanager", delays={"vpsmanager": 2})
    fake.wait_for_record("/etc/ground")
    process.kill()
    process.communicate(timeout=120)
    # The file is there now, by whichever run: it is ours all the same, and not listed twice.
    assert fake("-y", responses={"files=%s": ["files=/etc/ground"]}).returncode == 0
    first, second = fake.records
    assert (first.status, created(first, "ground")) == ("interrupted", [("files", "/etc/ground")])
    assert created(second, "ground") == []
    assert owned(fake).count(("files", "/etc/ground")) == 1


def test_all_that_was_created_is_taken_away_and_recorded(fake: FakeRun) -> None:
    fake("-y")
    done = tear_down(fake, responses=THERE)
    assert done.returncode == 0, done.stderr
    record = fake.records[-1]
    assert (record.action, record.status) == ("teardown", "completed")
    assert removed(record) == {
        "ground": [("files", "/etc/ground")],
        "house": [("files", "/house/roof"), ("directories", "/house")],
    }
    assert owned(fake) == []
    assert "Teardown" in done.stderr and "Verifying" not in done.stderr


def test_what_somebody_needs_is_still_ours_but_no_folder_with_others_things(
    fake: FakeRun,
) -> None:
    fake("-y")
    store = Store(fake.folder / ".deploy-state", key=KEY)
    record = fake.records[-1]
    rule = Resource(kind="firewall_rules", name="ufw allow 22/tcp")
    record.targets[VPS].components["ground"].created.append(rule)
    store.save(record)
    stands = {
        "directories=%s": ["directories=/house"],
        "firewall_rules=ufw": [f"{rule.kind}={rule.name}"],
    }
    tear_down(fake, responses={**stands, **THERE})
    assert owned(fake) == [(rule.kind, rule.name)]


def test_what_fails_keeps_nothing_else_from_going_and_is_tried_again(fake: FakeRun) -> None:
    fake("-y")
    answer = {"success": False, "stderr": ["it is busy"]}
    done = tear_down(fake, responses={"else rm -f /house/roof": answer, **THERE})
    assert done.returncode == 1
    record = fake.records[-1]
    assert record.status == "failed"
    assert removed(record) == {
        "ground": [("files", "/etc/ground")],
        "house": [("directories", "/house")],
    }
    error = record.targets[VPS].error
    assert error is not None and "No file /house/roof" in str(error.operation)
    assert error.remedy and "teardown.py --limit" in error.remedy
    assert owned(fake) == [("files", "/house/roof")]
    assert tear_down(fake, responses=THERE).returncode == 0
    assert owned(fake) == []


def test_one_component_alone(fake: FakeRun) -> None:
    fake("-y")
    done = tear_down(fake, "--data", "only=house", responses=THERE)
    assert done.returncode == 0, done.stderr
    assert set(removed(fake.records[-1])) == {"house"}
    assert owned(fake) == [("files", "/etc/ground")]


def test_a_killed_teardown_goes_on(fake: FakeRun) -> None:
    fake("-y")
    process = fake.start("-y", *ALL, action="teardown", responses=THERE, delays={"vpsmanager": 1})
    fake.wait_for_record('"action": "teardown"')
    process.kill()
    process.communicate(timeout=120)
    assert tear_down(fake, responses=THERE).returncode == 0
    assert fake.records[-2].status == "interrupted"
    assert owned(fake) == []


def test_without_a_confirmation_nothing_is_done(fake: FakeRun) -> None:
    fake("-y")
    done = fake("-y", action="teardown")
    assert done.returncode == 1
    assert f"yes_teardown={NAMES}" in done.stderr
    assert len(fake.records) == 1


def test_a_confirmed_teardown_is_not_asked_for_again(fake: FakeRun) -> None:
    """Without -y pyinfra itself would ask, where nobody can answer."""
    fake("-y")
    done = fake(*ALL, action="teardown", responses=THERE)
    assert done.returncode == 0, done.stderr
    assert "Press enter" not in done.stderr
    assert owned(fake) == []


def test_json_is_all_that_is_on_standard_output_of_a_teardown(fake: FakeRun) -> None:
    fake("-y")
    document = json.loads(tear_down(fake, "--json", responses=THERE).stdout)
    assert document["results"]["totals"]["error"] == 0


def test_what_our_packages_left_there_is_no_original(fake: FakeRun) -> None:
    """After a teardown that kept data, their configuration still stands where ours comes to."""
    fake("-y")
    tear_down(fake, responses=THERE)
    store = Store(fake.folder / ".deploy-state", key=KEY)
    record = fake.records[-1]
    record.targets[VPS].components["ground"].created.append(
        Resource(kind="remains", name="a-package")
    )
    store.save(record)
    stands = ["files=/etc/ground", "files=/house/roof"]
    assert fake("-y", responses={"files=%s": stands}).returncode == 0
    assert created(fake.records[-1], "ground") == [("files", "/etc/ground")]
    assert ("originals", "/house/roof") in created(fake.records[-1], "house")
