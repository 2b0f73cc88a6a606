"""What a dry run notes: whether what was deployed still is as it was declared."""

import json
from pathlib import Path
from typing import Any

from state.matching import FILE
from state.store import Store
from tests.unit.test_run import FakeRun


def matched(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / ".deploy-state" / FILE).read_text())
    return found


def test_a_dry_run_after_a_deployment_notes_what_differs(tmp_path: Path) -> None:
    fake = FakeRun(tmp_path)
    assert fake("-y").returncode == 0
    assert fake("--dry").returncode == 0
    found = matched(tmp_path)
    assert set(found) == {"@fake/observability", "@fake/vpsmanager"}
    web = found["@fake/vpsmanager"]
    assert web["deployment_id"] == Store(tmp_path / ".deploy-state").ids()[-1]
    # On the fake connector each of them says that it would change something.
    assert web["differs"] == [
        "ground | Say ground",
        "house | Say walls",
        "house | Say roof-of-vpsmanager",
    ]


def test_one_target_is_noted_alone(tmp_path: Path) -> None:
    fake = FakeRun(tmp_path)
    fake("-y")
    fake("--dry", "--limit", "vpsmanager")
    assert set(matched(tmp_path)) == {"@fake/vpsmanager"}


def test_other_settings_tell_nothing_of_what_was_deployed(tmp_path: Path) -> None:
    fake = FakeRun(tmp_path)
    fake("-y")
    store = Store(tmp_path / ".deploy-state")
    record = store.read(store.ids()[-1])
    assert record is not None
    record.config.settings_sha256 = "0" * 64
    store.save(record)
    assert fake("--dry").returncode == 0
    assert not (tmp_path / ".deploy-state" / FILE).exists()


def test_a_file_that_cannot_be_read_is_written_anew(tmp_path: Path) -> None:
    fake = FakeRun(tmp_path)
    fake("-y")
    (tmp_path / ".deploy-state" / FILE).write_text("{half")
    assert fake("--dry").returncode == 0
    assert len(matched(tmp_path)) == 2
