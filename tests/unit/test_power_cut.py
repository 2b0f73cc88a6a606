"""Whenever the power fails while a history is written, it is whole, and the next run goes on."""

import itertools
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from state.integrity import verify
from state.pruning import prune
from state.record import Record
from state.store import Store
from tests.unit.histories import deployed, target
from tests.unit.powercut import dies_at
from tests.unit.test_record import gone_pid, record

LEFT_OPEN = "20260105-000000-000005"
FIRST, SECOND = "20260106-000000-000006", "20260107-000000-000007"
Action = Callable[[Store, str], object]


def new_record(store: Store, deployment_id: str) -> None:
    """A deployment begins."""
    store.save(opened(store, deployment_id))


def closed_record(store: Store, deployment_id: str) -> None:
    """It ends: a record that is there is written again."""
    made = opened(store, deployment_id)
    store.save(made)
    made.message = "a longer record than before " * 100
    made.close("completed", "2026-01-06T00:01:00Z")
    store.save(made)


def closing_left_open(store: Store, _: str) -> None:
    store.close_left_open("here")


def pruning(store: Store, _: str) -> None:
    prune(store, 2)


def hardware(store: Store, _: str) -> None:
    store.save_hardware("web", {"cpu": 2})


def opened(store: Store, deployment_id: str) -> Record:
    """A record that was just opened by the process that runs this."""
    targets = {"web": target({"redis": ["/etc/new"]})}
    return record(deployment_id, previous=store.newest(), targets=targets)


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Four deployments, and one that a crash left open."""
    store = Store(tmp_path_factory.mktemp("before") / "state")
    for day in range(1, 5):
        deployed(store, day, targets={"web": target({"base": [f"/etc/{day}"]})})
    store.save(record(LEFT_OPEN, pid=gone_pid(), previous=store.newest()))
    return store


def contents(store: Store) -> dict[str, bytes]:
    return {each: store.path_of(each).read_bytes() for each in store.ids()}


@pytest.mark.parametrize(
    "action", [new_record, closed_record, closing_left_open, pruning, hardware]
)
def test_the_power_fails_at_any_step(before: Store, tmp_path: Path, action: Action) -> None:
    ours, old = before.owned("web"), contents(before)
    for call in itertools.count(1):
        store = Store(tmp_path / str(call))
        shutil.copytree(before.folder, store.folder, symlinks=True)
        died = dies_at(call, store.folder, partial(action, store, FIRST))
        assert verify(store).problems == [], call
        for deployment_id, content in contents(store).items():
            assert store.read(deployment_id), call
            assert deployment_id in (LEFT_OPEN, FIRST) or content == old[deployment_id], call
        assert store.owned("web")[: len(ours)] == ours, call
        # The next run closes what was left open, and does what it was to do.
        store.close_left_open("here")
        assert verify(store).findings == [], call
        action(store, SECOND)
        assert action is not pruning or len(store.ids()) == 2, call
        last = deployed(store, 8)
        assert store.current() == last.deployment_id, call
        assert verify(store).problems == [], call
        assert store.owned("web")[: len(ours)] == ours, call
        shutil.rmtree(store.folder)
        if not died:
            break
    assert call > 5
