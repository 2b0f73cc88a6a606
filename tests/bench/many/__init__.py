"""Many targets from one controller: the application stack on pyinfra's fake connector."""

import sys
from pathlib import Path
from statistics import median

from tests.bench.measure import Measured, measure
from tests.bench.runs import TIMES
from tests.bench.table import Row

HERE = "tests/bench/many"
# What a target takes for each command, in seconds: it is the waiting that is shared.
DELAY_S = 0.1


def rows(logs: Path) -> list[Row]:
    """Many targets against one, and what a hundred hold in memory; medians, taken in turns."""
    found: dict[int, list[Measured]] = {number: [] for number in (1, 10, 50, 100)}
    for turn in range(TIMES):
        for number, its in found.items():
            its.append(deploy(number, logs, turn))
    seconds = {number: median(each.seconds for each in its) for number, its in found.items()}
    return [
        Row(f"10 targets, against 1 (120 files, {DELAY_S} s for each command)",
            seconds[10], seconds[1], goal=1.15),
        *(Row(f"{each} targets, against 1", seconds[each], seconds[1]) for each in (50, 100)),
        Row("peak memory of the controller with 100 targets, against 300 MB",
            median(each.peak_mb for each in found[100]), 300, "MB", 1),
    ]  # fmt: skip


def deploy(targets: int, logs: Path, turn: int) -> Measured:
    """Deploy to so many fake targets at once; each command there takes ``DELAY_S``."""
    command = [sys.executable, "-m", "pyinfra", f"{HERE}/inventory.py", f"{HERE}/deploy.py", "-y"]
    folder = logs / f"many-{targets}-{turn}"
    folder.mkdir()
    environment = {
        "BENCH_FOLDER": str(folder),
        "BENCH_TARGETS": str(targets),
        "PYINFRA_FAKE_DELAY": str(DELAY_S),
        "PYINFRA_FAKE_DELAY_JITTER": "0",
    }
    return measure(command, logs / f"many-{targets}-{turn}.log", environment)
