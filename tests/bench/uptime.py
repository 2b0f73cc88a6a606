"""What visitors notice of releases: steady requests through five of them and a rollback."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.bench.runs import Runs
from tests.bench.table import Row
from tests.e2e.load import Load
from tests.e2e.shop import DOMAIN, SOURCE
from tests.lab import Lab

RELEASES = 5


@dataclass(frozen=True)
class Uptime:
    """Of all requests meanwhile: how many, how many failed, and how long they took in ms."""

    requests: int
    failed: int
    median_ms: float
    slowest_ms: float


def rows(runs: Runs) -> list[Row]:
    """What visitors notice of releases, on machines that are deployed to."""
    runs.inventory = inventory(runs.lab, runs.logs)
    found = through_releases(runs.lab, runs.logs, runs.pyinfra)
    what = f"slowest of {found.requests} requests through {RELEASES} releases, against the median"
    return [
        Row(what, found.slowest_ms, found.median_ms, "ms", 60),
        Row("… of them failed, against none", found.failed, 1, "", 0),
    ]


def inventory(lab: Lab, folder: Path) -> Path:
    """The lab's inventory with the tests' application, a copy of which is in ``folder``."""
    shop = folder / "shop"
    shutil.copytree(SOURCE, shop, dirs_exist_ok=True)
    data = yaml.safe_load(lab.inventory.read_text())
    app = {"path": str(shop), "domain": DOMAIN, "workers": {"count": 1}}
    # Beside our own page, whose Laravel of Debian it runs with.
    data["settings"]["apps"] = {"laravel": None, "shop": app}
    path = folder / "inventory.yaml"
    path.write_text(yaml.safe_dump(data))
    return path


def through_releases(lab: Lab, folder: Path, pyinfra: Callable[..., object]) -> Uptime:
    """Release the application five times and roll it back, under load.

    pyinfra: runs it with a name for its log and these arguments, on ``inventory``.
    """
    limit = ("--limit", "vpsmanager")
    pyinfra("shop", "deploy.py", *limit)
    with Load(lab.machine("vpsmanager").address, DOMAIN, "/version") as load:
        for number in range(RELEASES):
            (folder / "shop/public/note.txt").write_text(f"{number}\n")
            pyinfra(f"release-{number}", "deploy.py", *limit)
        pyinfra("rollback", "rollback.py", *limit, "--data", "app=shop")
    return Uptime(len(load.answers), len(load.failed), load.median_s * 1000, load.slowest_s * 1000)
