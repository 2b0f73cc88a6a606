"""The last deployment of version 4 as the first record: once, whole, and gone on from."""

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from configs.__main__ import main
from state import importing
from state.commands.schema import text_of
from state.integrity import verify
from state.record import Record
from state.store import Store
from state.writing import write_atomically
from tests.unit.test_migrate import OLD, STATE
from tests.unit.test_record import record
from tests.unit.test_run import FakeRun

Migrate = Callable[..., tuple[int, str, str]]
State = Callable[..., Path]


@pytest.fixture
def state(tmp_path: Path) -> State:
    """Writes the old state, with changes to it, last written at a fixed time."""

    def state(**changes: Any) -> Path:
        path = tmp_path / "old" / ".deploy-state" / "deployment.state"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({**STATE, **changes}))
        os.utime(path, (1767261600, 1767261600))  # 2026-01-01T10:00:00Z
        return path

    return state


@pytest.fixture
def migrate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Migrate:
    monkeypatch.setenv("CHOM_SECRETS_KEY_FILE", str(tmp_path / "home" / "secrets.key"))
    monkeypatch.delenv("CHOM_SECRETS_KEY", raising=False)
    inventory = tmp_path / "inventory.yaml"
    inventory.write_text(OLD)

    def migrate(state: Path, *arguments: str) -> tuple[int, str, str]:
        output = ["--output", str(tmp_path / "new")]
        code = main(["migrate", str(inventory), str(state), *output, *arguments])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return migrate


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "new" / ".deploy-state")


def only(store: Store) -> Record:
    (deployment_id,) = store.ids()
    found = store.read(deployment_id)
    assert found is not None
    return found


def contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Every file below the folder: its bytes and when it was written."""
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.lstat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


# The record


def test_it_says_what_version_4_knew(state: State, migrate: Migrate, store: Store) -> None:
    path = state()
    assert migrate(path)[0] == 0
    made = only(store)
    digits = hashlib.sha256(path.read_bytes()).hexdigest()[:6]
    assert made.deployment_id == f"20251231-100000-{digits}"
    assert (made.status, made.started_at) == ("completed", "2025-12-31T10:00:00Z")
    assert (made.completed_at, made.duration_s) == ("2025-12-31T10:30:00Z", 1800.0)
    assert made.config.script_version == "4.3.0"
    assert made.config.inventory_sha256 == hashlib.sha256(OLD.encode()).hexdigest()
    assert (made.config.settings, made.tools, made.previous) == ({}, {}, None)
    assert (made.deployer.user, made.deployer.hostname, made.deployer.pid) == (
        "unknown",
        "unknown",
        0,
    )
    seen = {
        name: (target.role, target.address, target.status, target.completed_at)
        for name, target in made.targets.items()
    }
    assert seen == {
        "observability": ("observability", "10.0.0.1", "completed", "2025-12-31T10:15:00Z"),
        "vpsmanager": ("vpsmanager", "10.0.0.2", "failed", "2025-12-31T10:30:00Z"),
    }


def test_it_is_valid_and_current(state: State, migrate: Migrate, store: Store) -> None:
    migrate(state())
    current = store.folder / "current.json"
    assert os.readlink(current) == f"history/{only(store).deployment_id}.json"
    jsonschema.validate(json.loads(current.read_text()), json.loads(text_of("record")))
    assert only(store).seal
    assert verify(store).findings == []


@pytest.mark.parametrize(
    ("written", "status", "target_status"),
    [
        ("initialized", "interrupted", "pending"),
        ("pending", "interrupted", "pending"),
        ("in_progress", "interrupted", "interrupted"),
        ("interrupted", "interrupted", "interrupted"),
        ("failed", "failed", "failed"),
        ("completed", "completed", "completed"),
    ],
)
def test_every_status_has_its_place(
    state: State, migrate: Migrate, store: Store, written: str, status: str, target_status: str
) -> None:
    assert migrate(state(status=written, vpsmanager={"status": written}))[0] == 0
    made = only(store)
    assert (made.status, made.targets["vpsmanager"].status) == (status, target_status)


def test_a_host_that_version_4_says_nothing_of_is_pending(
    state: State, migrate: Migrate, store: Store
) -> None:
    migrate(state(vpsmanager=None))
    assert only(store).targets["vpsmanager"].status == "pending"


@pytest.mark.parametrize(
    "written",
    [
        "2025-12-31T10:00:00Z",
        "2025-12-31T10:00:00",
        "2025-12-31 10:00:00.75",
        "2025-12-31T12:00:00+02:00",
        "2025-12-31T05:00:00.123456789-0500",
        " 2025-12-31t10:00:00z\n",
    ],
)
def test_every_iso_time_is_utc_afterwards(
    state: State, migrate: Migrate, store: Store, written: str
) -> None:
    migrate(state(started_at=written))
    assert only(store).started_at == "2025-12-31T10:00:00Z"
    assert only(store).duration_s == 1800


@pytest.mark.parametrize(
    "written",
    [
        None,
        1767175200,
        "",
        "yesterday",
        "2025-13-31T10:00:00Z",
        "0001-01-01T00:00:00+10:00",
        "9999-12-31T23:59:59-10:00",
        "2999-01-01T00:00:00Z",
        "\ud800",
    ],
)
def test_without_a_usable_start_the_files_own_time_is_taken_and_said(
    state: State, migrate: Migrate, store: Store, written: object
) -> None:
    code, out, err = migrate(state(started_at=written))
    assert (code, err) == (0, "")
    assert "the record has the time when its file was written, 2026-01-01T10:00:00Z" in out
    made = only(store)
    assert made.deployment_id.startswith("20260101-100000-")
    assert (made.started_at, made.duration_s) == ("2026-01-01T10:00:00Z", None)


def test_a_file_of_an_impossible_time_stops_nothing(
    state: State, migrate: Migrate, store: Store
) -> None:
    path = state(started_at="")
    os.utime(path, (-5, -5))
    assert migrate(path)[0] == 0
    assert only(store).started_at == "1970-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("changes", "completed_at", "duration"),
    [
        ({"updated_at": "2025-12-31T11:00:00Z"}, "2025-12-31T11:00:00Z", 3600),
        ({"updated_at": "soon"}, "2025-12-31T10:30:00Z", 1800),
        ({"vpsmanager": {"status": "failed"}}, "2025-12-31T10:15:00Z", 900),
        ({"vpsmanager": None, "observability": None}, None, None),
        ({"status": "in_progress", "updated_at": "2025-12-31T11:00:00Z"}, None, None),
        ({"updated_at": "2025-12-31T09:00:00Z"}, "2025-12-31T09:00:00Z", None),
    ],
)
def test_the_end_is_the_last_that_version_4_saw(
    state: State,
    migrate: Migrate,
    store: Store,
    changes: dict[str, Any],
    completed_at: str | None,
    duration: float | None,
) -> None:
    migrate(state(**changes))
    made = only(store)
    assert (made.completed_at, made.duration_s) == (completed_at, duration)


def test_a_failed_host_does_not_end_when_it_once_succeeded(
    state: State, migrate: Migrate, store: Store
) -> None:
    times = {"completed_at": "2025-12-01T00:00:00Z", "updated_at": "2025-12-31T10:20:00Z"}
    migrate(state(vpsmanager={"status": "failed", **times}))
    assert only(store).targets["vpsmanager"].completed_at == "2025-12-31T10:20:00Z"


# The report


def test_the_report_names_the_record(state: State, migrate: Migrate, store: Store) -> None:
    path = state()
    text = migrate(path)[1]
    place = store.path_of(only(store).deployment_id)
    assert f"{place}: the first record of the history" in text
    document = json.loads(migrate(path, "--json")[1])
    assert (document["record"], document["notes"]) == (str(place), [])
    assert document["state"]["started_at"] == "2025-12-31T10:00:00Z"


def test_without_an_old_state_there_is_no_record(
    migrate: Migrate, tmp_path: Path, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    output = ["--output", str(tmp_path / "new"), "--json"]
    assert main(["migrate", str(tmp_path / "inventory.yaml"), *output]) == 0
    assert json.loads(capsys.readouterr().out)["record"] is None
    assert not store.folder.exists()


def test_without_output_it_goes_to_the_projects_history(
    state: State,
    migrate: Migrate,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("configs.__main__.PROJECT", tmp_path / "project")
    monkeypatch.setenv("CHOM_INVENTORY", str(tmp_path / "project/inventory.yaml"))
    assert main(["migrate", str(tmp_path / "inventory.yaml"), str(state())]) == 0
    assert len(Store(tmp_path / "project" / ".deploy-state").ids()) == 1


# What is there already


def test_twice_is_as_once(state: State, migrate: Migrate, store: Store) -> None:
    path = state()
    migrate(path)
    before = contents(store.folder)
    code, out, _ = migrate(path)
    assert (code, contents(store.folder)) == (0, before)
    assert "the first record of the history" in out


def test_the_old_files_are_as_they_were(state: State, migrate: Migrate, tmp_path: Path) -> None:
    path = state()
    before = contents(tmp_path / "old")
    migrate(path)
    assert contents(tmp_path / "old") == before


def test_a_history_with_records_is_left_alone(
    state: State, migrate: Migrate, store: Store, tmp_path: Path
) -> None:
    store.save(record("20260301-000000-aaaaaa"))
    before = contents(store.folder)
    code, out, _ = migrate(state(started_at=None))
    assert (code, contents(store.folder)) == (0, before)
    assert "credibly" not in out
    assert "has records already, so it would not be the first one" in out
    assert "the first record of the history" not in out
    assert (tmp_path / "new" / "inventory.yaml").exists()
    assert json.loads(migrate(state(), "--json")[1])["record"] is None


def test_a_history_that_went_on_from_it_is_left_alone(
    state: State, migrate: Migrate, store: Store
) -> None:
    path = state()
    migrate(path)
    first = only(store).deployment_id
    store.save(record("20260301-000000-aaaaaa", previous=store.newest()))
    before = contents(store.folder)
    document = json.loads(migrate(path, "--json")[1])
    assert contents(store.folder) == before
    assert os.readlink(store.folder / "current.json") == "history/20260301-000000-aaaaaa.json"
    assert (document["record"], document["notes"]) == (str(store.path_of(first)), [])


def test_a_record_of_an_earlier_migration_stays_as_it_is(
    state: State, migrate: Migrate, store: Store, tmp_path: Path
) -> None:
    path = state()
    migrate(path)
    before = contents(store.folder)
    (tmp_path / "inventory.yaml").write_text(f"{OLD}# edited since\n")
    code, out, _ = migrate(path)
    assert (code, contents(store.folder)) == (0, before)
    assert "was taken over before, from other files: its record stays as it is" in out
    assert f"{store.path_of(only(store).deployment_id)}: the first record" in out


# Refused, killed


def test_a_record_of_an_older_schema_is_the_same_one(
    state: State, migrate: Migrate, store: Store
) -> None:
    """It was written before records were sealed."""
    path = state()
    migrate(path)
    file = store.path_of(only(store).deployment_id)
    data = {**json.loads(file.read_text()), "version": "5.0", "seal": None}
    file.write_text(json.dumps(data))
    assert json.loads(migrate(path, "--json")[1])["notes"] == []
    assert json.loads(file.read_text()) == data


def test_what_is_refused_is_refused_before_anything_is_written(
    state: State, migrate: Migrate, store: Store, tmp_path: Path
) -> None:
    store.folder.parent.mkdir()
    store.folder.touch()
    code, out, err = migrate(state())
    assert (code, out) == (1, "")
    assert "no folder" in err and ".deploy-state" in err
    assert os.listdir(tmp_path / "new") == [".deploy-state"]
    store.folder.unlink()
    (tmp_path / "new" / "inventory.yaml").write_text("mine")
    assert migrate(state())[0] == 1
    assert os.listdir(tmp_path / "new") == ["inventory.yaml"]


def test_a_history_that_one_may_not_write_is_refused(
    state: State, migrate: Migrate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("state.importing.os.access", lambda path, mode: False)
    code, _, err = migrate(state())
    assert code == 1
    assert "permission denied" in err
    assert not (tmp_path / "new").exists()


def test_a_record_that_cannot_be_written_is_no_traceback_and_a_repeat_completes_it(
    state: State, migrate: Migrate, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, text: str) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr("state.store.write_atomically", full)
        code, out, err = migrate(state())
    assert (code, out) == (1, "")
    assert "the record could not be written: no space left on device" in err
    assert os.listdir(tmp_path / "new") == [".secrets.env"]
    assert migrate(state())[0] == 0
    assert only(store).status == "completed"


@pytest.mark.parametrize("step", ["write_atomically", "Store.make_current"])
def test_killed_at_any_step_a_repeat_completes_it(
    state: State,
    migrate: Migrate,
    store: Store,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
) -> None:
    def write_and_die(*arguments: Any) -> None:
        if step == "write_atomically":
            write_atomically(*arguments)
        raise SystemExit(9)

    with monkeypatch.context() as killed:
        killed.setattr(f"state.store.{step}", write_and_die)
        with pytest.raises(SystemExit):
            migrate(state())
    assert len(store.ids()) == 1
    assert not (store.folder / "current.json").is_symlink()
    assert not (tmp_path / "new" / "inventory.yaml").exists()
    assert migrate(state())[0] == 0
    assert (store.folder / "current.json").resolve() == store.path_of(only(store).deployment_id)
    assert (tmp_path / "new" / "inventory.yaml").exists()


def test_a_current_that_cannot_be_replaced_is_no_traceback(
    state: State, migrate: Migrate, store: Store
) -> None:
    (store.folder / "current.json").mkdir(parents=True)
    code, _, err = migrate(state())
    assert code == 1
    assert "the record could not be written: is a directory" in err


def test_deeply_nested_json_is_no_state(state: State, migrate: Migrate) -> None:
    path = state()
    path.write_text("[" * 100_000)
    code, _, err = migrate(path)
    assert code == 1
    assert "no JSON" in err


def test_the_import_itself_writes_nothing_until_it_is_saved(state: State, store: Store) -> None:
    from configs.migration import read_old_state

    targets = {"observability": {"role": "observability", "address": "FD00:0::1"}}
    made = importing.prepare(read_old_state(state()), targets, "0" * 64, store)
    assert made.record.targets["observability"].address == "fd00::1"
    assert not store.folder.exists()
    made.save()
    assert made.path == store.path_of(only(store).deployment_id)


# Going on from it


def test_the_next_deployment_names_it_as_the_one_before(
    state: State, migrate: Migrate, store: Store, tmp_path: Path
) -> None:
    migrate(state())
    imported = store.newest()
    fake = FakeRun(tmp_path / "new")
    done = fake("-y")
    assert done.returncode == 0, done.stderr
    first, second = fake.records
    assert imported is not None and first.deployment_id == imported.deployment_id
    assert second.previous == imported
    assert "interrupted" not in done.stderr
    assert os.readlink(store.folder / "current.json") == f"history/{second.deployment_id}.json"
