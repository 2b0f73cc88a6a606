"""pyinfra on a lab of the bench, measured."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median

from tests.bench.measure import Measured, measure
from tests.bench.round_trips import per_machine
from tests.lab import Lab

EMPTY = "tests/bench/empty.py"
TIMES = 3


class Runs:
    """``lab``: the machines. ``logs``: where secrets and the output of each run go."""

    def __init__(self, lab: Lab, logs: Path) -> None:
        self.lab = lab
        self.logs = logs
        self.inventory = lab.inventory

    @property
    def environment(self) -> dict[str, str]:
        """What a run has in its environment beside ours."""
        return {
            "CHOM_INVENTORY": str(self.inventory),
            "CHOM_SECRETS_FILE": str(self.logs / "secrets.env"),
            "CHOM_SECRETS_KEY_FILE": str(self.logs / "secrets.key"),
            "CI": "",
        }

    def pyinfra(self, name: str, *arguments: str, module: str = "pyinfra", **more: str) -> Measured:
        """Run it against the lab as it is; its output goes to a log called ``name``.

        ``module``: what is run in its stead. ``more``: of the environment.
        """
        confirmed = () if "--dry" in arguments else ("-y",)
        command = [sys.executable, "-m", module, "inventory.py", *arguments, *confirmed]
        return measure(command, self.logs / f"{name}.log", {**self.environment, **more})

    def round_trips(self, name: str, **more: str) -> float:
        """How often a run that changes nothing waits for each machine."""
        self.pyinfra(name, "deploy.py", "--debug-all", **more)
        return per_machine(self.logs / f"{name}.log", len(self.lab.machines))

    def first_deploy(self, name: str, *arguments: str) -> Measured:
        """Deploy to fresh machines."""
        self.lab.reset()
        return self.pyinfra(name, "deploy.py", *arguments)


def in_turns(each: Mapping[str, Callable[[], Measured]]) -> dict[str, float]:
    """Name → the median of its seconds, of ``TIMES`` rounds in which each has its turn.

    The first round is not counted: whoever comes first would pay for the others.
    """
    found: dict[str, list[float]] = {name: [] for name in each}
    for number in range(TIMES + 1):
        for name, run in each.items():
            seconds = run().seconds
            if number:
                found[name].append(seconds)
    return {name: median(its) for name, its in found.items()}
