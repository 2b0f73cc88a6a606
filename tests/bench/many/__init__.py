"""Many targets from one controller: the application stack on pyinfra's fake connector."""

import sys
from pathlib import Path

from tests.bench.measure import Measured, measure
from tests.bench.table import Row

HERE = "tests/bench/many"
# What a target takes for each command, in seconds: it is the waiting that is shared.
DELAY_S = 0.1


def rows(logs: Path) -> list[Row]:
    """Ten targets against one, and what a hundred hold in memory; one run each."""
    one, ten, hundred = (deploy(number, logs) for number in (1, 10, 100))
    return [
        Row(f"10 targets, against 1 (120 files, {DELAY_S} s for each command)",
            ten.seconds, one.seconds, goal=1.15),
        Row("100 targets, against 1", hundred.seconds, one.seconds),
        Row("peak memory of the controller with 100 targets, against 300 MB",
            hundred.peak_mb, 300, "MB", 1),
    ]  # fmt: skip


def deploy(targets: int, logs: Path) -> Measured:
    """Deploy to so many fake targets at once; each command there takes ``DELAY_S``."""
    command = [sys.executable, "-m", "pyinfra", f"{HERE}/inventory.py", f"{HERE}/deploy.py", "-y"]
    folder = logs / f"many-{targets}"
    folder.mkdir()
    environment = {
        "BENCH_FOLDER": str(folder),
        "BENCH_TARGETS": str(targets),
        "PYINFRA_FAKE_DELAY": str(DELAY_S),
        "PYINFRA_FAKE_DELAY_JITTER": "0",
    }
    return measure(command, logs / f"many-{targets}.log", environment)
