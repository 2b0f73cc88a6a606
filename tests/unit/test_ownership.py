"""What is ours on a target, also by what others have deployed."""

from pathlib import Path
from typing import Any

import pytest

from state import copies
from state.ownership import Ours, Ownership
from state.record import Component, Resource, Target
from state.store import Store
from state.syncing import sync
from tests.unit.test_copies import ONE, TWO, Targets
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
    theirs, mine = Store(tmp_path / "theirs"), Store(tmp_path / "mine")
    deployed(mine, ONE, "/etc/one")
    deployed(theirs, TWO, "/etc/two")
    host = targets.hosts["web"]
    sync(theirs, [host])
    ownership = Ownership(mine)
    ours = Ours(ownership, "@fake/web")
    assert ("files", "/etc/one") in ours and ("files", "/etc/two") not in ours
    assert ownership.learn(host, [ONE, TWO]) == [TWO]
    assert ("files", "/etc/two") in ours and ("files", "/etc/three") not in ours
    assert [each.name for each in ownership.of("@fake/web")] == ["/etc/one", "/etc/two"]
    assert ownership.learn(host, [ONE, TWO]) == []
    ownership.noted = {"@fake/web": {("files", "/etc/three")}}
    assert ("files", "/etc/three") in ours


def test_a_new_checkout_knows_what_it_deployed_before(tmp_path: Path, targets: Targets) -> None:
    old, new = Store(tmp_path / "old"), Store(tmp_path / "new")
    deployed(old, ONE, "/etc/one")
    sync(old, [targets.hosts["web"]])
    ownership = Ownership(new)
    ownership.learn(targets.hosts["web"], [ONE])
    assert new.ids() == [ONE]
    assert ("files", "/etc/one") in Ours(ownership, "@fake/web")
