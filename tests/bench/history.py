"""What a history of 1,000 records costs."""

import hashlib
import json
import sys
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import configs
from state.record import (
    Check,
    Component,
    Config,
    Deployer,
    Event,
    Previous,
    Record,
    Release,
    Resource,
    Target,
)
from state.store import Store
from tasks.stacks import STACKS
from tests.bench.measure import measure
from tests.bench.table import Row
from tests.unit.helpers import configuration, hardware

RECORDS = 1000
GOAL_MB = 100
# What is run, and how many seconds it may take.
GOALS = {("history", "--all"): 1.0, ("verify",): 3.0}
# What a first deployment of both targets creates, and how many files are written again later.
CREATED = 150
CHANGED = 3
INVENTORY = """\
targets:
  observability: {role: observability, address: 10.9.0.11}
  vpsmanager: {role: vpsmanager, address: 10.9.0.21}
settings:
  network: {admin_networks: [10.9.0.1]}
  apps:
    shop: {repository: "git@github.com:acme/shop.git", domain: shop.example.org, deploy_key: true}
    blog: {repository: "https://git.example.org/blog", domain: blog.example.org, php: "8.4"}
    docs: {repository: "https://git.example.org/docs", domain: docs.example.org}
    club: {repository: "https://git.example.org/club", domain: club.example.org, scheduler: true}
"""


def write_history(folder: Path, count: int = RECORDS) -> Store:
    """A history of deployments of both targets, the first one from fresh, chained and sealed."""
    store = Store(folder / ".deploy-state")
    with tempfile.TemporaryDirectory() as place:
        wanted = configuration(Path(place), INVENTORY)
    settings = {
        each.name: each.settings.model_dump(mode="json") for each in wanted.targets.values()
    }
    previous: Previous | None = None
    for number in range(count):
        record = _record(number, wanted, settings, previous)
        store.save(record)
        path = store.path_of(record.deployment_id)
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        previous = Previous(deployment_id=record.deployment_id, sha256=sha256)
    return store


def _record(
    number: int,
    wanted: configs.Configuration,
    settings: Mapping[str, Any],
    previous: Previous | None,
) -> Record:
    start = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(hours=9 * number)
    digits = hashlib.sha256(json.dumps(dict(settings)).encode()).hexdigest()
    return Record(
        deployment_id=f"{start:%Y%m%d-%H%M%S}-{hashlib.sha256(bytes(number)).hexdigest()[:6]}",
        status="failed" if number % 17 == 5 else "completed",
        message=f"the {number}th deployment: a line of the operator's own",
        deployer=Deployer(
            user="ops", hostname="laptop", ip="10.0.0.1", pid=4711, git_revision=digits[:40]
        ),
        started_at=_time(start),
        completed_at=_time(start + timedelta(seconds=75)),
        duration_s=75.4,
        config=Config(
            inventory_sha256=wanted.inventory_sha256,
            script_version="5.0.0",
            settings=dict(settings),
            settings_sha256=digits,
        ),
        tools={"python": "3.13.5", "pyinfra": "3.10.0"},
        previous=previous,
        targets={
            name: _target(number, target, start) for name, target in wanted.targets.items()
        },
    )  # fmt: skip


def _target(number: int, target: configs.Target, start: datetime) -> Target:
    stack = [each.name for each in STACKS[target.role]]
    share = CREATED // 2 // len(stack) + 1
    components = {
        name: Component(
            status="completed",
            version="3.8.1+dfsg-2~deb13u1",
            started_at=_time(start + timedelta(seconds=position)),
            completed_at=_time(start + timedelta(seconds=position + 1)),
            changed=share if number == 0 else position < CHANGED,
            unchanged=12,
            created=[
                Resource(kind="files", name=f"/etc/{name}/conf.d/part-{each}.conf")
                for each in range(share)
            ]
            if number == 0
            else [],
            releases=[_release(app, start) for app in target.apps] if name == "releases" else [],
        )
        for position, name in enumerate(stack)
    }
    return Target(
        role=target.role,
        address=target.address,
        status="completed",
        started_at=_time(start),
        completed_at=_time(start + timedelta(seconds=75)),
        hardware=dict(hardware()),
        components=components,
        checks=[
            Check(name=f"the page of {name} answers, and its metrics are scraped") for name in stack
        ],
    )


def _release(app: str, start: datetime) -> Release:
    name = f"{start:%Y%m%d-%H%M%S}-75c0938"
    return Release(
        app=app,
        release=name,
        revision=hashlib.sha256(name.encode()).hexdigest()[:40],
        last=Event(release=name, event="live", at=_time(start)),
    )


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def rows(folder: Path) -> list[Row]:
    """What its commands take of ``folder``'s history, in time and memory; one run each."""
    store = write_history(folder)
    size_mb = sum(each.stat().st_size for each in store.history.iterdir()) / 1e6
    found = []
    for command, goal_s in GOALS.items():
        arguments = [sys.executable, "-m", "state", *command, "--folder", str(store.folder)]
        measured = measure(arguments, folder / "history.log", {})
        what = f"{' '.join(command)} of {RECORDS} records ({size_mb:.0f} MB), against"
        found += [
            Row(f"{what} {goal_s:.0f} s", measured.seconds, goal_s, goal=1),
            Row(f"… its peak memory, against {GOAL_MB} MB", measured.peak_mb, GOAL_MB, "MB", 1),
        ]
    return found
