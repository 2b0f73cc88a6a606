"""Many targets from one controller: the application stack on pyinfra's fake connector."""

import sys
from pathlib import Path

from tests.bench.measure import Measured, measure

HERE = "tests/bench/many"
# What a target takes for each command, in seconds: it is the waiting that is shared.
DELAY_S = 0.1


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
