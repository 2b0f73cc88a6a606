"""Histories that the tests of the record's commands read."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from state.command_line import main
from state.record import Component, Record, Resource, Target
from state.store import Store
from tests.unit.test_record import record

Created = Mapping[str, list[str]]


def target(
    created: Created | None = None, removed: Created | None = None, **changes: Any
) -> Target:
    """A target of the record that was deployed to. created, removed: files by component."""
    names = dict.fromkeys([*(created or {}), *(removed or {})]) or {"base": None}
    components = {
        name: Component(
            status="completed",
            changed=1,
            version="1.0",
            created=_files((created or {}).get(name, [])),
            removed=_files((removed or {}).get(name, [])),
        )
        for name in names
    }
    completed = {"status": "completed", "completed_at": "2026-01-01T00:01:00Z"}
    settled: dict[str, Any] = {"components": components, **completed, **changes}
    return Target(role="vpsmanager", address="10.0.0.2", **settled)


def _files(names: list[str]) -> list[Resource]:
    return [Resource(kind="files", name=name) for name in names]


def deployed(store: Store, day: int, **changes: Any) -> Record:
    """A deployment of that day of January 2026, saved and chained to what there is."""
    deployer = changes.pop("deployer", None)
    made = record(
        f"202601{day:02}-000000-{day:06x}",
        **{
            "status": "completed",
            "previous": store.newest(),
            "targets": {"web": target()},
            "completed_at": f"2026-01-{day:02}T00:01:00Z",
            "duration_s": 60.0,
            **changes,
        },
    )
    made.deployer = deployer or made.deployer
    made.started_at = f"2026-01-{day:02}T00:00:00Z"
    store.save(made)
    return made


def tamper(store: Store, deployment_id: str, old: str, new: str) -> None:
    """Change the text of a record's file, once."""
    path = store.path_of(deployment_id)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


class Commands:
    """``python -m state`` on a history, in this process."""

    def __init__(self, store: Store, capsys: pytest.CaptureFixture[str]) -> None:
        self.store = store
        self.capsys = capsys

    def __call__(self, command: str, *arguments: str, code: int = 0) -> str:
        """What is printed, standard error after standard output; the exit code must be ``code``."""
        found = main([command, *arguments, "--folder", str(self.store.folder)])
        printed = self.capsys.readouterr()
        assert found == code, printed
        return printed.out + printed.err

    def json(self, command: str, *arguments: str, code: int = 0) -> Any:
        """The document that is printed, and nothing else."""
        return json.loads(self(command, *arguments, "--json", code=code))


def child(folder: Path, *arguments: str) -> list[str]:
    """The command line of ``python -m state`` as a process of its own."""
    return [sys.executable, "-m", "state", *arguments, "--folder", str(folder)]
