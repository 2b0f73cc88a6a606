"""What was changed, is missing, cut off or out of order in a history is found, and nothing else."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from state.integrity import Finding, verify
from state.record import Previous
from state.scrubbing import Scrubber
from state.sealing import seal_of
from state.store import Store
from state.writing import sweep
from tests.unit.histories import deployed, tamper
from tests.unit.test_record import gone_pid, record


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Four deployments, each after the other."""
    store = Store(tmp_path / "state")
    for day in range(1, 5):
        deployed(store, day)
    return store


def ids(store: Store) -> list[str]:
    return store.ids()


def found(store: Store) -> list[tuple[str, str]]:
    """The records that something is said of, and what kind it is."""
    return [(each.deployment_id, each.kind) for each in verify(store).findings]


def problems(store: Store) -> list[Finding]:
    return verify(store).problems


# The seal


def test_a_closed_record_is_sealed_and_an_open_one_is_not(tmp_path: Path) -> None:
    store = Store(tmp_path, Scrubber({"A_SECRET": "hunter2hunter2"}))
    made = record(message="it is hunter2hunter2")
    store.save(made)
    assert json.loads(store.path_of(made.deployment_id).read_text())["seal"] is None
    made.close("completed", "2026-01-01T00:00:00Z")
    store.save(made)
    written = json.loads(store.path_of(made.deployment_id).read_text())
    assert written["message"] == "it is [secret A_SECRET]"
    assert written["seal"] == made.seal == seal_of(written)
    assert verify(store).findings == []


def test_the_seal_is_the_hash_of_canonical_json() -> None:
    text = '{"a":["ü",1.5,null],"b":{"c":1,"d":2}}'
    data = {"b": {"d": 2, "c": 1}, "seal": "anything", "a": ["ü", 1.5, None]}
    assert seal_of(data) == hashlib.sha256(text.encode()).hexdigest()


def test_what_a_crash_left_open_is_sealed_when_it_is_closed(tmp_path: Path) -> None:
    store = Store(tmp_path)
    crashed = record("20260101-000000-aaaaaa", pid=gone_pid())
    store.save(crashed)
    assert found(store) == [(crashed.deployment_id, "left open")]
    store.close_left_open("here")
    after = deployed(store, 2)
    assert after.previous and after.previous.deployment_id == crashed.deployment_id
    assert verify(store).findings == []


# Nothing to find


def test_a_history_as_it_was_written(store: Store) -> None:
    verdict = verify(store)
    assert (verdict.records, verdict.findings) == (4, [])


def test_an_empty_history(tmp_path: Path) -> None:
    assert verify(Store(tmp_path / "none")).findings == []


def test_two_operators_histories_in_one_folder(store: Store, tmp_path: Path) -> None:
    """They have a common beginning, and then each went on alone; a third began elsewhere."""
    other = Store(tmp_path / "other")
    shutil.copytree(store.folder, other.folder, symlinks=True)
    for day in (6, 8):
        deployed(store, day)
    for day in (7, 9):
        deployed(other, day)
    third = Store(tmp_path / "third")
    for day in (5, 10):
        deployed(third, day)
    for each in (other, third):
        shutil.copytree(each.history, store.history, dirs_exist_ok=True)
    assert len(store.ids()) == 10
    named = [each.previous.deployment_id for each in store.records() if each.previous]
    assert len(named) == 8 and len(set(named)) == 7
    assert verify(store).findings == []
    after = deployed(store, 11)
    assert after.previous and after.previous.deployment_id == ids(store)[-2]
    assert verify(store).findings == []


def test_a_record_that_is_still_open_elsewhere_is_not_named(tmp_path: Path) -> None:
    store = Store(tmp_path)
    deployed(store, 1)
    elsewhere = record("20260102-000000-aaaaaa")
    store.save(elsewhere)
    after = deployed(store, 3)
    assert after.previous and after.previous.deployment_id == "20260101-000000-000001"
    assert found(store) == [(elsewhere.deployment_id, "left open")]
    assert problems(store) == []
    elsewhere.close("completed", "2026-01-04T00:00:00Z")
    store.save(elsewhere)
    assert verify(store).findings == []


def test_a_record_of_schema_5_0_that_was_named_while_it_was_open(tmp_path: Path) -> None:
    store = Store(tmp_path)
    first = record("20260101-000000-aaaaaa", version="5.0", pid=gone_pid())
    store.save(first)
    sha256 = hashlib.sha256(store.path_of(first.deployment_id).read_bytes()).hexdigest()
    named = Previous(deployment_id=first.deployment_id, sha256=sha256)
    deployed(store, 2, version="5.0", previous=named)
    store.close_left_open("here")
    assert found(store) == [(first.deployment_id, "unproven")]
    assert problems(store) == []
    tamper(store, first.deployment_id, '"user": "me"', '"user": "he"')
    assert found(store) == [(first.deployment_id, "changed")]


def test_a_record_of_the_future_is_before_nothing(store: Store) -> None:
    future = record("29990101-000000-ffffff", status="completed")
    store.save(future)
    deployed(store, 5)
    assert verify(store).findings == []


def test_what_a_killed_write_left_is_no_record(store: Store) -> None:
    newest = ids(store)[-1]
    for name in (f".{newest}.json.4711", f"._{newest}.json"):
        (store.history / name).write_text("{half")
    assert len(store.ids()) == 4
    assert verify(store).findings == []


def test_what_a_killed_write_left_is_swept_away_once_nobody_can_need_it(store: Store) -> None:
    import os

    old, new = (store.history / f".{ids(store)[0]}.json.{pid}" for pid in (1, 2))
    for each in (old, new):
        each.write_text("{half")
    os.utime(old, (1, 1))
    sweep(store.history)
    assert (old.exists(), new.exists()) == (False, True)
    assert len(store.ids()) == 4


# Changed


@pytest.mark.parametrize("position", range(4))
def test_one_letter_that_was_changed(store: Store, position: int) -> None:
    changed = ids(store)[position]
    tamper(store, changed, '"user": "me"', '"user": "he"')
    assert found(store) == [(changed, "changed")]
    (problem,) = problems(store)
    assert "its seal does not match" in problem.what
    assert "another copy of the history" in problem.remedy


def test_a_change_that_was_sealed_again_is_found_by_the_next_record(store: Store) -> None:
    changed, after = ids(store)[1:3]
    data = json.loads(store.path_of(changed).read_text())
    data["deployer"]["user"] = "he"
    data["seal"] = seal_of(data)
    store.path_of(changed).write_text(json.dumps(data, indent=2))
    assert found(store) == [(changed, "changed")]
    assert f"{after} came after it, and names another content" in problems(store)[0].what


def test_white_space_is_no_change_of_what_it_says_but_is_found(store: Store) -> None:
    changed = ids(store)[0]
    tamper(store, changed, "{\n", "{\n\n")
    assert found(store) == [(changed, "changed")]


def test_a_seal_that_was_taken_off(store: Store) -> None:
    newest = ids(store)[-1]
    data = json.loads(store.path_of(newest).read_text())
    store.path_of(newest).write_text(json.dumps({**data, "seal": None, "message": "other"}))
    assert found(store) == [(newest, "changed")]


def test_the_word_of_a_record_that_was_changed_itself_blames_nobody(store: Store) -> None:
    changed = ids(store)[2]
    data = json.loads(store.path_of(changed).read_text())
    tamper(store, changed, data["previous"]["sha256"], "0" * 64)
    assert found(store) == [(changed, "changed")]


def test_of_records_of_schema_5_0_the_chain_vouches_for_all_but_the_newest(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for day in (1, 2, 3):
        deployed(store, day, version="5.0")
        newest = store.ids()[-1]
        data = json.loads(store.path_of(newest).read_text())
        store.path_of(newest).write_text(json.dumps({**data, "seal": None}, indent=2))
    assert verify(store).findings == []
    tamper(store, ids(store)[1], '"user": "me"', '"user": "he"')
    assert found(store) == [(ids(store)[1], "changed")]


# Missing


def test_a_record_that_was_removed(store: Store) -> None:
    gone = ids(store)[1]
    store.path_of(gone).unlink()
    assert found(store) == [(gone, "missing")]
    assert "nobody pruned it" in problems(store)[0].what


def test_the_newest_one_that_was_removed_is_missed_by_the_link_to_it(store: Store) -> None:
    gone = ids(store)[-1]
    store.path_of(gone).unlink()
    assert found(store) == [(gone, "missing")]
    assert "current.json leads to it" in problems(store)[0].what


def test_the_record_that_two_came_after_is_missed_once(store: Store, tmp_path: Path) -> None:
    other = Store(tmp_path / "other")
    shutil.copytree(store.folder, other.folder, symlinks=True)
    gone = ids(store)[-1]
    deployed(store, 5)
    deployed(other, 6)
    shutil.copytree(other.history, store.history, dirs_exist_ok=True)
    store.path_of(gone).unlink()
    assert found(store) == [(gone, "missing")]


# Truncated, unreadable, newer


@pytest.mark.parametrize("size", [0, 1, 500])
def test_a_record_that_was_cut_off(store: Store, size: int) -> None:
    cut = ids(store)[1]
    path = store.path_of(cut)
    path.write_bytes(path.read_bytes()[:size])
    assert found(store) == [(cut, "truncated")]


@pytest.mark.parametrize("text", ["{}", "[]", "null", '{"version": 5}', "[" * 50_000])
def test_json_that_is_no_record(store: Store, text: str) -> None:
    store.path_of(ids(store)[1]).write_text(text)
    ((deployment_id, kind),) = found(store)
    assert (deployment_id, kind in ("unreadable", "truncated")) == (ids(store)[1], True)


def test_an_unknown_field_of_our_own_version_is_refused(store: Store) -> None:
    changed = ids(store)[1]
    tamper(store, changed, '"message"', '"comment": "a secret?",\n "message"')
    (problem,) = problems(store)
    assert (problem.deployment_id, problem.kind) == (changed, "unreadable")
    assert problem.what == "no record: comment: extra inputs are not permitted"


def test_a_newer_version_is_refused_kindly_and_stops_no_deploy(store: Store) -> None:
    newest = ids(store)[-1]
    tamper(store, newest, '"version": "5.3"', '"version": "5.10", "lock": {"holder": "me"}')
    (problem,) = problems(store)
    assert problem.kind == "newer"
    assert problem.what == "written by a newer version of this project (5.10)"
    assert problem.remedy == "update your checkout to read it"
    assert store.close_left_open("here") == []
    after = deployed(store, 5)
    assert after.previous and after.previous.deployment_id == newest
    assert found(store) == [(newest, "newer")]


def test_an_unreadable_record_stops_no_deploy_and_is_not_named(store: Store) -> None:
    newest = ids(store)[-1]
    store.path_of(newest).write_text("{half")
    assert store.close_left_open("here") == []
    after = deployed(store, 5)
    assert after.previous and after.previous.deployment_id == ids(store)[-3]
    assert found(store) == [(newest, "truncated")]
    store.path_of(newest).unlink()
    assert verify(store).findings == []


def test_a_folder_in_place_of_a_record(store: Store) -> None:
    (store.history / "20260601-000000-aaaaaa.json").mkdir()
    assert found(store) == [("20260601-000000-aaaaaa", "unreadable")]
    deployed(store, 7)


def test_a_current_that_leads_to_no_record(store: Store) -> None:
    current = store.folder / "current.json"
    current.unlink()
    assert verify(store).findings == []
    current.write_text("what is this?")
    assert found(store) == [("current.json", "unreadable")]
    current.write_bytes(store.path_of(ids(store)[2]).read_bytes())
    assert verify(store).findings == []
    assert store.current() == ids(store)[2]


# Reordered


def test_a_file_under_another_name(store: Store) -> None:
    newest = ids(store)[-1]
    store.path_of(newest).rename(store.path_of("20260109-000000-aaaaaa"))
    kinds = dict(found(store))
    assert kinds == {"20260109-000000-aaaaaa": "reordered", newest: "missing"}
    assert f"the file holds the deployment {newest}" in problems(store)[1].what


def test_two_files_that_were_exchanged(store: Store) -> None:
    one, two = (store.path_of(each) for each in ids(store)[1:3])
    contents = one.read_bytes(), two.read_bytes()
    two.write_bytes(contents[0])
    one.write_bytes(contents[1])
    assert {each for each in found(store) if each[1] == "reordered"} == {
        (ids(store)[1], "reordered"),
        (ids(store)[2], "reordered"),
    }


def test_a_record_whose_predecessor_is_newer(store: Store) -> None:
    first, last = ids(store)[0], ids(store)[-1]
    data = json.loads(store.path_of(first).read_text())
    sha256 = hashlib.sha256(store.path_of(last).read_bytes()).hexdigest()
    data["previous"] = {"deployment_id": last, "sha256": sha256}
    data["seal"] = seal_of(data)
    store.path_of(first).write_text(json.dumps(data, indent=2))
    assert (first, "reordered") in found(store)
