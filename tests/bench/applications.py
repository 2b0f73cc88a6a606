"""What each application of a server holds in memory, in PHP and in Redis."""

import re
from pathlib import Path

import yaml

from tests.bench.memory import held
from tests.bench.runs import Runs
from tests.bench.table import Row
from tests.e2e.machines import answer
from tests.lab import Lab

MACHINE = "vpsmanager"
COUNTS = (3, 10)
# By component, its units.
UNITS = {"PHP": r".+-php\d[.]\d[.]service", "Redis": r".+-redis-(queue|cache)[.]service"}


def rows(runs: Runs) -> list[Row]:
    """Of several applications at rest, against as many times that of one."""
    one = _held(runs, 1)
    found = {count: _held(runs, count) for count in COUNTS}
    return [
        Row(f"memory of {name} of {count} applications, against {count} times that of one",
            found[count][name], count * one[name], "MB", 1.05)
        for name in UNITS
        for count in COUNTS
    ]  # fmt: skip


def _held(runs: Runs, count: int) -> dict[str, float]:
    """In MB, by component, once each application has answered a visitor."""
    names = [f"page{number}" for number in range(count)]
    runs.inventory = _inventory(runs.lab, runs.logs, names)
    runs.pyinfra(f"applications-{count}", "deploy.py", "--limit", MACHINE)
    asked = " ".join(f"-H 'Host: {name}.chom.test' http://127.0.0.1/ --next" for name in names)
    answer(runs.lab, MACHINE, f"curl -fs {asked.removesuffix(' --next')} >/dev/null; sleep 3")
    all_held = held(runs.lab, MACHINE)
    return {
        name: sum(each.mb for each in all_held if re.fullmatch(units, each.unit))
        for name, units in UNITS.items()
    }


def _inventory(lab: Lab, folder: Path, names: list[str]) -> Path:
    """The lab's inventory with so many times our own page."""
    data = yaml.safe_load(lab.inventory.read_text())
    data["settings"]["apps"] = {name: {"domain": f"{name}.chom.test"} for name in names}
    path = folder / "applications.yaml"
    path.write_text(yaml.safe_dump(data))
    return path
