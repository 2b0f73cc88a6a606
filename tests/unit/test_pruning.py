"""The oldest records go, and nothing that is needed later goes with them."""

import json
import shutil
from pathlib import Path

import pytest

from state.integrity import verify
from state.owned import Owned, owned
from state.pruning import prune, read_pruned
from state.reading import Unreadable
from state.record import ResourcesCreated, Target
from state.store import Store
from tests.unit.histories import Commands, deployed, tamper, target
from tests.unit.test_record import record


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Six deployments: each creates a file, the third takes the first one's away."""
    store = Store(tmp_path / "state")
    for day in range(1, 7):
        removed = {"base": ["/etc/1"]} if day == 3 else None
        deployed(store, day, targets={"web": target({"base": [f"/etc/{day}"]}, removed)})
    return store


def names(store: Store, target: str = "web") -> list[str]:
    return [each.name for each in store.owned(target)]


def test_the_newest_stay_and_the_history_is_still_proven(store: Store) -> None:
    before = store.owned("web")
    assert [each.name for each in before] == [f"/etc/{day}" for day in (2, 3, 4, 5, 6)]
    ids = store.ids()
    sizes = sum(store.path_of(each).stat().st_size for each in ids[:4])
    done = prune(store, 2)
    assert (done.removed, done.kept, done.freed) == (ids[:4], {}, sizes)
    assert store.ids() == ids[4:]
    verdict = verify(store)
    assert (verdict.records, verdict.pruned, verdict.findings) == (2, 4, [])
    assert store.owned("web") == before
    assert before[0] == Owned("files", "/etc/2", ("base",), ids[1])


def test_twice_adds_up(store: Store) -> None:
    before = store.owned("web")
    ids = store.ids()
    prune(store, 4)
    prune(store, 1)
    assert list(read_pruned(store.folder).records) == ids[:5]
    assert prune(store, 1).removed == []
    assert (store.owned("web"), verify(store).findings) == (before, [])
    deployed(store, 8, targets={"web": target(removed={"base": ["/etc/2", "/etc/6"]})})
    assert names(store) == ["/etc/3", "/etc/4", "/etc/5"]
    assert verify(store).findings == []


def test_what_is_open_unreadable_newer_or_current_stays(store: Store) -> None:
    ids = store.ids()
    running = record("20260101-120000-aaaaaa")
    store.save(running)
    store.path_of(ids[1]).write_text("{half")
    tamper(store, ids[2], '"version": "5.3"', '"version": "6.0"')
    store.make_current(ids[0])
    done = prune(store, 1)
    assert done.removed == ids[3:5]
    assert done.kept == {
        ids[0]: "current",
        running.deployment_id: "still open",
        ids[1]: "cut off, or no JSON",
        ids[2]: "written by a newer version of this project (6.0)",
    }
    assert len(store.ids()) == 5


def test_a_file_that_holds_another_deployment_stays(store: Store) -> None:
    first = store.ids()[0]
    store.path_of(first).rename(store.path_of("20260101-000000-ffffff"))
    done = prune(store, 4)
    assert done.kept == {"20260101-000000-ffffff": f"the file holds the deployment {first}"}
    assert len(done.removed) == 1


def test_an_older_record_that_comes_in_later_counts_at_its_own_place(
    store: Store, tmp_path: Path
) -> None:
    """Another operator's: it created what was taken away since, and took away what came again."""
    whole = Store(tmp_path / "whole")
    shutil.copytree(store.folder, whole.folder, symlinks=True)
    other = Store(tmp_path / "other")
    late = record(
        "20260102-120000-ffffff",
        status="completed",
        targets={"web": target({"base": ["/etc/1"], "x": ["/etc/x"]}, {"x": ["/etc/4", "/etc/2"]})},
    )
    other.save(late)
    prune(store, 1)
    for each in (store, whole):
        shutil.copytree(other.history, each.history, dirs_exist_ok=True)
    assert names(store) == ["/etc/x", "/etc/3", "/etc/4", "/etc/5", "/etc/6"]
    assert store.owned("web") == whole.owned("web") == owned(whole.records(), "web")
    assert verify(store).findings == verify(whole).findings == []
    prune(store, 1)
    assert late.deployment_id in read_pruned(store.folder).records
    assert store.owned("web") == whole.owned("web")


def test_what_records_of_schema_5_0_created_is_kept_as_well(tmp_path: Path) -> None:
    store = Store(tmp_path)
    created = ResourcesCreated(files=["/etc/old"], users=["old"])
    old = Target(role="vpsmanager", address="a", status="completed", resources_created=created)
    deployed(store, 1, version="5.0", targets={"web": old})
    deployed(store, 2, targets={"web": target({"base": ["/etc/old", "/etc/new"]})})
    before = store.owned("web")
    prune(store, 1)
    assert store.owned("web") == before == [
        Owned("users", "old", (), "20260101-000000-000001"),
        Owned("files", "/etc/old", ("base",), "20260101-000000-000001"),
        Owned("files", "/etc/new", ("base",), "20260102-000000-000002"),
    ]  # fmt: skip


def test_what_several_components_need_goes_with_the_last_of_them(tmp_path: Path) -> None:
    store = Store(tmp_path)
    deployed(store, 1, targets={"web": target({"php": ["/a"], "nginx": ["/a", "/b"]})})
    deployed(store, 2, targets={"web": target(removed={"php": ["/a"], "redis": ["/b"]})})
    deployed(store, 3)
    assert store.owned("web") == [Owned("files", "/a", ("nginx",), store.ids()[0])]
    prune(store, 1)
    deployed(store, 4, targets={"web": target(removed={"nginx": ["/a"]})})
    assert store.owned("web") == []


def test_a_pruned_record_that_is_back_counts_once(store: Store) -> None:
    first = store.path_of(store.ids()[0])
    content, before = first.read_bytes(), store.owned("web")
    prune(store, 2)
    first.write_bytes(content)
    assert (store.owned("web"), verify(store).findings) == (before, [])


def test_a_change_of_what_is_kept_of_them_is_found(store: Store) -> None:
    ids = store.ids()
    prune(store, 2)
    path = store.folder / "pruned.json"
    data = json.loads(path.read_text())
    del data["records"][ids[3]]
    path.write_text(json.dumps(data))
    kinds = {(each.deployment_id, each.kind) for each in verify(store).findings}
    assert kinds == {("pruned.json", "changed"), (ids[3], "missing")}


def test_a_list_that_cannot_be_read_is_not_written_over(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    prune(store, 4)
    (store.folder / "pruned.json").write_text("{half")
    with pytest.raises(Unreadable):
        prune(store, 1)
    said = Commands(store, capsys)("prune", "--keep", "1", code=1)
    assert "pruned.json cut off, or changed by hand" in said
    assert "do: put it back from another copy" in said
    assert len(store.ids()) == 4
    assert [each.deployment_id for each in verify(store).problems].count("pruned.json") == 1
    assert names(store) == ["/etc/3", "/etc/4", "/etc/5", "/etc/6"]  # no deploy is stopped by it


def test_a_folder_that_one_may_not_write_is_no_traceback(
    store: Store, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, text: str) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr("state.pruning.write_atomically", full)
    said = Commands(store, capsys)("prune", "--keep", "1", code=1)
    assert "pruned.json: no space left on device" in said
    assert "do: correct that and run it again; no record is lost by it" in said
    assert len(store.ids()) == 6


def test_nothing_is_there_to_prune(tmp_path: Path) -> None:
    assert prune(Store(tmp_path / "none"), 1).removed == []
    assert not (tmp_path / "none").exists()
