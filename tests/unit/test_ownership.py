"""What is ours on a target, also by what others have deployed."""

import gzip
from pathlib import Path
from typing import Any

import pytest
from pyinfra.connectors.util import CommandOutput, OutputLine

from state import copies, syncing
from state.owned import present_names
from state.ownership import Ours, Ownership
from state.pruning import prune
from state.record import Component, Resource, Target
from state.store import Store
from state.syncing import sync
from tests.unit.helpers import KEY
from tests.unit.test_copies import ONE, THREE, TWO, Targets
from tests.unit.test_record import record


@pytest.fixture
def targets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Targets:
    made = Targets(tmp_path / "targets", ["web"])
    made.folder.mkdir()
    monkeypatch.setattr(copies, "run_command", made.run)
    return made


def deployed(store: Store, deployment_id: str, path: str) -> None:
    """Somebody's deployment, which created a file."""
    component = Component(created=[Resource(kind="files", name=path)])
    target: Any = {"@fake/web": Target(role="r", address="a", components={"c": component})}
    store.save(record(deployment_id, status="completed", targets=target))


def test_what_others_created_is_ours_as_soon_as_it_is_learnt(
    tmp_path: Path, targets: Targets
) -> None:
    theirs, mine = Store(tmp_path / "theirs", key=KEY), Store(tmp_path / "mine", key=KEY)
    deployed(mine, ONE, "/etc/one")
    deployed(theirs, TWO, "/etc/two")
    host = targets.hosts["web"]
    sync(theirs, [host])
    ownership = Ownership(mine)
    ours = Ours(ownership, "@fake/web")
    assert ("files", "/etc/one") in ours and ("files", "/etc/two") not in ours
    assert ownership.learn(host, [ONE, TWO]) == ([TWO], [])
    assert ("files", "/etc/two") in ours and ("files", "/etc/three") not in ours
    assert [each.name for each in ownership.of("@fake/web")] == ["/etc/one", "/etc/two"]
    assert ownership.learn(host, [ONE, TWO]) == ([], [])
    ownership.noted = {"@fake/web": {("files", "/etc/three")}}
    assert ("files", "/etc/three") in ours


def test_a_copy_that_cannot_be_read_is_told(tmp_path: Path, targets: Targets) -> None:
    targets.records("web").mkdir(parents=True)
    (targets.records("web") / f"{ONE}.json.gz").write_bytes(b"no gzip")
    got, [problem] = Ownership(Store(tmp_path / "mine")).learn(targets.hosts["web"], [ONE])
    assert got == [] and f"the copy of {ONE} on @fake/web: an empty file" in problem


def test_a_new_checkout_knows_what_it_deployed_before(tmp_path: Path, targets: Targets) -> None:
    old, new = Store(tmp_path / "old", key=KEY), Store(tmp_path / "new", key=KEY)
    deployed(old, ONE, "/etc/one")
    sync(old, [targets.hosts["web"]])
    ownership = Ownership(new)
    ownership.learn(targets.hosts["web"], [ONE])
    assert new.ids() == [ONE]
    assert ("files", "/etc/one") in Ours(ownership, "@fake/web")


def on_machine(
    store: Store, deployment_id: str, path: str, machine: str, name: str = "web", **changes: Any
) -> None:
    """A deployment to a target that was this machine then; it created a file."""
    component = Component(created=[Resource(kind="files", name=path)])
    target = Target(
        role="r",
        address="a",
        hardware={"machine": machine},
        components={"c": changes.get("component", component)},
    )
    targets: Any = {f"@fake/{name}": target}
    store.save(record(deployment_id, status="completed", targets=targets))


def test_nothing_is_ours_on_a_machine_that_was_installed_anew(tmp_path: Path) -> None:
    store = Store(tmp_path)
    on_machine(store, ONE, "/etc/one", "a" * 16)
    ownership = Ownership(store)
    ours = Ours(ownership, "@fake/web")
    assert ("files", "/etc/one") in ours
    ownership.saw("@fake/web", "b" * 16)
    assert not ownership.is_as_assumed("@fake/web", "a" * 16)
    assert ("files", "/etc/one") not in ours
    on_machine(store, TWO, "/etc/two", "b" * 16)
    assert [each.name for each in store.owned("@fake/web")] == ["/etc/two"]
    assert [each.name for each in store.owned("@fake/web", until=ONE)] == ["/etc/one"]
    again = Ownership(store)
    again.saw("@fake/web", "b" * 16)
    assert again.is_as_assumed("@fake/web", "b" * 16)
    assert ("files", "/etc/two") in Ours(again, "@fake/web")


def test_a_machine_that_nothing_is_known_of_is_the_same(tmp_path: Path) -> None:
    store = Store(tmp_path)
    on_machine(store, ONE, "/etc/one", "")
    on_machine(store, TWO, "/etc/two", "b" * 16)
    assert [each.name for each in store.owned("@fake/web")] == ["/etc/one", "/etc/two"]
    assert len(store.owned("@fake/web", machine="b" * 16)) == 2


def test_what_was_pruned_tells_its_machine_as_well(tmp_path: Path) -> None:
    store = Store(tmp_path)
    on_machine(store, ONE, "/etc/one", "a" * 16)
    on_machine(store, TWO, "/etc/two", "b" * 16)
    assert prune(store, keep=1).removed == [ONE]
    assert [each.name for each in store.owned("@fake/web")] == ["/etc/two"]


A, B = "a" * 16, "b" * 16


def names(store: Store, target: str, machine: str = "") -> list[str]:
    return [each.name for each in store.owned(f"@fake/{target}", machine=machine)]


def test_a_renamed_target_is_known_by_its_machine(tmp_path: Path) -> None:
    store = Store(tmp_path)
    on_machine(store, ONE, "/etc/one", A, "old")
    assert names(store, "new") == [] and names(store, "new", A) == ["/etc/one"]
    ownership = Ownership(store)
    ownership.saw("@fake/new", A)
    assert ownership.former_name("@fake/new") == "@fake/old"
    assert ("files", "/etc/one") in Ours(ownership, "@fake/new")
    on_machine(store, TWO, "/etc/two", A, "new")
    assert names(store, "new") == names(store, "old") == ["/etc/one", "/etc/two"]
    assert Ownership(store).former_name("@fake/new") == ""
    assert present_names(list(store.effects().items())) == ["@fake/new"]


def test_what_was_removed_by_the_new_name_is_gone_by_the_old_one(tmp_path: Path) -> None:
    store = Store(tmp_path)
    on_machine(store, ONE, "/etc/one", A, "old")
    gone = Component(removed=[Resource(kind="files", name="/etc/one")])
    on_machine(store, TWO, "", A, "new", component=gone)
    assert names(store, "old") == names(store, "new", A) == []


def test_two_targets_that_swap_their_names_keep_what_is_theirs(tmp_path: Path) -> None:
    store = Store(tmp_path)
    on_machine(store, ONE, "/etc/one", A, "web")
    on_machine(store, TWO, "/etc/two", B, "db")
    assert names(store, "web", B) == ["/etc/two"] and names(store, "db", A) == ["/etc/one"]
    ownership = Ownership(store)
    ownership.saw("@fake/web", B)
    assert not ownership.is_as_assumed("@fake/web", A)


def test_machines_that_nothing_is_known_of_are_told_apart_by_name(tmp_path: Path) -> None:
    store = Store(tmp_path)
    on_machine(store, ONE, "/etc/one", "", "web")
    on_machine(store, TWO, "/etc/two", "", "db")
    assert names(store, "web") == ["/etc/one"] and names(store, "db", B) == ["/etc/two"]
    # The name was that machine also before records told of it.
    on_machine(store, THREE, "/etc/three", A, "web")
    assert names(store, "new", A) == ["/etc/one", "/etc/three"]


def test_a_copy_about_the_machine_by_its_old_name_is_taken(
    tmp_path: Path, targets: Targets, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs, mine = Store(tmp_path / "theirs", key=KEY), Store(tmp_path / "mine", key=KEY)
    on_machine(theirs, ONE, "/etc/one", A)
    host = targets.hosts["web"]
    sync(theirs, [host])
    copy = targets.records("web") / f"{ONE}.json.gz"
    on_machine(theirs, ONE, "/etc/one", A, "old")
    copy.write_bytes(gzip.compress(theirs.path_of(ONE).read_bytes()))
    monkeypatch.setattr(syncing, "run_command", answered(B))
    got, [problem] = Ownership(mine).learn(host, [ONE])
    assert got == [] and "is about @fake/old, not about @fake/web" in problem
    monkeypatch.setattr(syncing, "run_command", answered(A))
    assert Ownership(mine).learn(host, [ONE]) == ([ONE], [])


def answered(line: str) -> Any:
    return lambda *_: (True, CommandOutput([OutputLine("stdout", line)]))
