"""The record's schema and its folder."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from pydantic import ValidationError

from state.commands.schema import SCHEMAS, file_of, text_of
from state.ids import new_id
from state.opening import targets_of
from state.preflight import Preflight
from state.record import Component, Config, Deployer, Record, Target
from state.store import Store, now
from tests.unit.helpers import configuration

HASH = "0" * 64


def record(deployment_id: str | None = None, pid: int | None = None, **changes: Any) -> Record:
    """A record that was just opened, by this process unless ``pid`` says another."""
    return Record(
        deployment_id=deployment_id or new_id(),
        deployer=Deployer(user="me", hostname="here", ip="10.0.0.1", pid=pid or os.getpid()),
        started_at=now(),
        config=Config(
            inventory_sha256=HASH, script_version="5.0.0", settings={}, settings_sha256=HASH
        ),
        tools={"python": "3.11.7"},
        **changes,
    )


def gone_pid() -> int:
    """The id of a process that has ended."""
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    return pid


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_committed_schema_is_in_step(name: str) -> None:
    assert file_of(name).read_text() == text_of(name), "run: python -m state schema --write"


def test_a_record_has_the_names_of_the_seed() -> None:
    made = record(targets={"observability": Target(role="observability", address="10.0.0.2")})
    document = json.loads(made.model_dump_json())
    jsonschema.validate(document, json.loads(text_of("record")))
    assert document["version"] == "5.3"
    assert set(document["config"]) >= {"inventory_sha256", "script_version"}
    assert set(document["deployer"]) >= {"user", "hostname", "ip"}
    created = document["targets"]["observability"]["resources_created"]
    assert set(created) >= {"users", "services", "directories", "firewall_rules"}


def test_an_id_is_a_time_and_a_few_random_digits() -> None:
    assert record().deployment_id != record().deployment_id
    with pytest.raises(ValidationError):
        record(deployment_id="yesterday")


def test_an_unknown_field_is_refused() -> None:
    with pytest.raises(ValidationError):
        record(comment="hello")


def test_two_targets_do_not_share_their_lists() -> None:
    one, two = (Target(role="r", address="a") for _ in range(2))
    one.resources_created.users.append("someone")
    assert two.resources_created.users == []


def test_closing_ends_what_still_runs() -> None:
    made = record()
    made.targets["a"] = Target(role="r", address="a", status="running")
    made.targets["a"].components = {
        "done": Component(status="completed"),
        "busy": Component(status="running"),
        "later": Component(),
    }
    made.close("interrupted", "2026-01-02T03:04:05Z")
    assert made.status == made.targets["a"].status == "interrupted"
    statuses = {name: each.status for name, each in made.targets["a"].components.items()}
    assert statuses == {"done": "completed", "busy": "interrupted", "later": "pending"}


def test_the_store_points_at_the_newest_record(tmp_path: Path) -> None:
    store = Store(tmp_path / "s")
    first, second = record("20260101-000000-aaaaaa"), record("20260102-000000-aaaaaa")
    store.save(first)
    store.save(second)
    current = tmp_path / "s" / "current.json"
    assert current.is_symlink()
    assert os.readlink(current) == "history/20260102-000000-aaaaaa.json"
    assert Record.model_validate_json(current.read_bytes()) == second
    assert store.ids() == [first.deployment_id, second.deployment_id]


def test_records_are_for_their_owner_alone_and_nothing_else_is_left(tmp_path: Path) -> None:
    store = Store(tmp_path / "s")
    made = record()
    store.save(made)
    assert store.path_of(made.deployment_id).stat().st_mode & 0o777 == 0o600
    assert [path.name for path in store.history.iterdir()] == [f"{made.deployment_id}.json"]


def test_a_write_that_fails_leaves_the_old_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path)
    made = record()
    store.save(made)
    before = store.path_of(made.deployment_id).read_text()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    made.duration_s = 3.0
    with pytest.raises(OSError, match="No space"):
        store.save(made)
    assert store.path_of(made.deployment_id).read_text() == before
    assert len(list(store.history.iterdir())) == 1


def test_the_newest_record_is_named_with_its_hash(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert store.newest() is None
    made = record(status="completed")
    store.save(made)
    found = store.newest()
    assert found is not None
    content = store.path_of(made.deployment_id).read_bytes()
    assert (found.deployment_id, found.sha256) == (
        made.deployment_id,
        hashlib.sha256(content).hexdigest(),
    )


def test_ids_of_one_second_still_sort_in_their_order(tmp_path: Path) -> None:
    store = Store(tmp_path)
    ids = []
    for _ in range(3):
        ids.append(store.next_id())
        store.save(record(ids[-1]))
    assert store.ids() == ids


def test_a_record_of_the_future_keeps_nobody_waiting(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.save(record("29990101-000000-ffffff"))
    assert store.next_id() < "2999"


def test_what_a_crash_left_open_is_closed(tmp_path: Path) -> None:
    store = Store(tmp_path)
    crashed = record("20260101-000000-aaaaaa", pid=gone_pid())
    done = record("20260102-000000-aaaaaa", status="completed", pid=gone_pid())
    command = [sys.executable, "-c", "import time; time.sleep(60)", "pyinfra"]
    with subprocess.Popen(command) as other:
        running = record("20260103-000000-aaaaaa", pid=other.pid)
        for each in (crashed, done, running):
            store.save(each)
        assert store.close_left_open("elsewhere") == []
        assert store.close_left_open("here") == [crashed.deployment_id]
        other.kill()
    statuses = [found.status for name in store.ids() if (found := store.read(name))]
    assert statuses == ["interrupted", "completed", "running"]


def test_a_file_that_is_no_record_stops_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.history.mkdir(parents=True)
    (store.history / "20260101-000000-aaaaaa.json").write_text("{half")
    assert store.read("20260101-000000-aaaaaa") is None
    assert store.close_left_open("here") == []


def test_a_record_tells_where_an_address_really_leads(tmp_path: Path) -> None:
    config = tmp_path / "ssh_config"
    config.write_text("Host 10.9.0.21\n HostName 10.9.0.99\n")
    inventory = f"""\
targets:
  observability: {{role: observability, address: 10.9.0.11}}
  vpsmanager: {{role: vpsmanager, address: 10.9.0.21, ssh: {{config: {config}}}}}
"""
    targets = configuration(tmp_path, inventory)
    nothing = Preflight([], Store(tmp_path / "state"), brief=True)
    made = targets_of(targets, targets.targets, nothing)
    assert {name: each.leads for name, each in made.items()} == {
        "observability": "",
        "vpsmanager": "to 10.9.0.99",
    }
