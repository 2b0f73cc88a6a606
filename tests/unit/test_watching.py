"""Applications that were deployed without the server that watches them."""

from pathlib import Path
from typing import Any

import pytest

from state.record import Record
from state.store import Store
from state.watching import not_watched, unwatched
from tests.unit.helpers import configuration
from tests.unit.test_record import record

SHOP = {"domain": "shop.example.org", "health": "/up"}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "history")


def deployed(store: Store, number: int, apps: dict[str, Any], **statuses: str) -> Record:
    """A deployment in the store: what web had then, and how each target ended."""
    targets = {
        name: {"role": "x", "address": "203.0.113.1", "status": status}
        for name, status in statuses.items()
    }
    made = record(f"20260101-00000{number}-000000")
    content = made.model_dump(mode="json")
    content["config"]["settings"] = {"web": {"apps": apps}}
    found = Record.model_validate({**content, "status": "completed", "targets": targets})
    store.save(found)
    return found


def test_one_that_the_observer_was_told_of_is_watched(store: Store) -> None:
    deployed(store, 1, {"shop": SHOP}, web="completed", eye="completed")
    deployed(store, 2, {}, web="completed")
    assert unwatched(store, "web", {"shop": SHOP}, ["eye"]) == []


@pytest.mark.parametrize("change", [{"domain": "new.example.org"}, {"health": "/health"}])
def test_one_that_moved_since_is_not_watched(store: Store, change: dict[str, str]) -> None:
    deployed(store, 1, {"shop": SHOP}, web="completed", eye="completed")
    assert unwatched(store, "web", {"shop": {**SHOP, **change}}, ["eye"]) == ["shop"]


def test_one_that_is_new_since_is_not_watched(store: Store) -> None:
    deployed(store, 1, {"shop": SHOP}, web="completed", eye="completed")
    assert unwatched(store, "web", {"shop": SHOP, "blog": SHOP}, ["eye"]) == ["blog"]


def test_an_observer_that_failed_was_told_nothing(store: Store) -> None:
    deployed(store, 1, {"shop": SHOP}, web="completed", eye="failed")
    assert unwatched(store, "web", {"shop": SHOP}, ["eye"]) == ["shop"]


def test_without_an_observer_nobody_is_expected_to_watch(store: Store) -> None:
    assert unwatched(store, "web", {"shop": SHOP}, []) == []


def test_who_deploys_without_the_observer_is_told(store: Store, tmp_path: Path) -> None:
    targets = list(configuration(tmp_path).targets.values())
    alone = record("20260101-000002-000000").model_dump(mode="json")
    alone["config"]["settings"] = {"vpsmanager": {"apps": {"shop": SHOP}}}
    part = {"role": "vpsmanager", "address": "203.0.113.1", "status": "completed"}
    found = Record.model_validate({**alone, "targets": {"vpsmanager": part}})
    [line] = not_watched(found, store, targets)
    assert line.startswith("vpsmanager: not watched yet: shop; deploy observability as well")
    both = {"vpsmanager": part, "observability": {**part, "role": "observability"}}
    assert not_watched(Record.model_validate({**alone, "targets": both}), store, targets) == []
