"""Services that are awaited together: which, when, and what is said of one that does not come."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pyinfra.api import StringCommand

from facts.conditions import ComplaintNow
from tasks.component import Component
from tasks.operations import readiness, services
from tasks.operations.readiness import Awaited, await_services
from tasks.stacks import STACKS
from tests.unit.helpers import ThisComputer, fake_state
from tests.unit.test_stacks import Declaration

AT_ONCE = {
    "observability": {
        "unattended-upgrades",
        "systemd-timesyncd",
        "prometheus",
        "nginx",
        "chom-connections",
    },
    "vpsmanager": {
        "unattended-upgrades",
        "systemd-timesyncd",
        "mariadb",
        "laravel-redis-queue",
        "laravel-redis-cache",
        "nginx",
        "chom-connections",
        # After all have been awaited: what changes again.
        "redis-server",
        "php8.4-fpm",
    },
}
SYSTEMCTL = """\
#!/bin/sh
case "$*" in
    *is-active*) for unit; do :; done; [ "$unit" = ready.service ];;
    *is-failed*) false;;
    *NRestarts*) echo 0;;
esac
"""


def declared(
    monkeypatch: pytest.MonkeyPatch, folder: Path, role: str, stack: Sequence[Component]
) -> tuple[list[str], list[str]]:
    """The services that are waited for where they are declared, and those that are not."""
    found: dict[bool, list[str]] = {True: [], False: []}
    real = services.run_service

    def spy(**arguments: Any) -> Any:
        found[arguments["waits"]].append(arguments["unit"].removesuffix(".service"))
        return real(**arguments)

    monkeypatch.setattr(services, "run_service", spy)
    Declaration(fake_state([role]), role, folder, stacks={role: stack})
    return found[True], found[False]


@pytest.mark.parametrize("role", STACKS)
def test_what_another_component_needs_is_awaited_at_once(
    role: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    at_once, later = declared(monkeypatch, tmp_path, role, STACKS[role])
    assert set(at_once) == AT_ONCE[role]
    assert {"prometheus-node-exporter", "alloy"} < set(later)


def test_without_who_awaits_them_all_are_awaited_at_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    role = "observability"
    chosen = [item for item in STACKS[role] if item.name in ("base", "metrics", "grafana")]
    at_once, later = declared(monkeypatch, tmp_path, role, chosen)
    assert "grafana-server" in at_once
    assert later == []


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ThisComputer:
    found = ThisComputer()
    monkeypatch.setattr(readiness, "host", found)
    monkeypatch.setattr(readiness, "state", SimpleNamespace(is_executing=True))
    for name, text in {"systemctl": SYSTEMCTL, "journalctl": "#!/bin/sh\necho it broke\n"}.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return found


def awaiting(
    *units: str, started: bool = True, ready: str = "true", changed: bool = True
) -> list[StringCommand]:
    """The commands of an operation that awaits units: those that were ``started`` by this run.

    ``changed``: whether the run has changed anything on the host.
    """
    operation: Any = SimpleNamespace(executed=started)
    other = SimpleNamespace(operation_meta=SimpleNamespace(executed=changed))
    state = SimpleNamespace(
        is_executing=True,
        inventory=SimpleNamespace(get_host=lambda name: name),
        ops={"this computer": {"hash": other}},
    )
    awaited = [Awaited(f"{unit}.service", ready, 1, operation) for unit in units]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(readiness, "state", state)
        return list(await_services._inner(services=awaited))


def test_what_comes_is_no_change(host: ThisComputer) -> None:
    assert awaiting("ready", "ready") == []
    assert host.asked == [ComplaintNow]


def test_each_that_does_not_come_is_named_with_its_journal(host: ThisComputer) -> None:
    (command,) = awaiting("slow", "ready", "lost")
    done = subprocess.run(["sh", "-c", command.get_raw_value()], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "slow.service: not ready within 1 s; its journal says:",
        "it broke",
        "lost.service: not ready within 1 s; its journal says:",
        "it broke",
    ]


def test_nobody_is_asked_where_nothing_was_begun(
    host: ThisComputer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert awaiting("slow", changed=False) == []
    monkeypatch.setattr(readiness, "state", SimpleNamespace(is_executing=False))
    assert list(await_services._inner(services=[])) == []
    assert host.asked == []


def test_a_service_that_this_run_did_not_touch_must_still_be_active(host: ThisComputer) -> None:
    assert awaiting("ready", started=False, ready="false") == []
    (command,) = awaiting("ready", "lost", started=False)
    done = subprocess.run(["sh", "-c", command.get_raw_value()], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("lost.service: not ready within 1 s")
