"""The first deploy of fresh machines."""

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median

import configs
from tests.bench import view
from tests.bench.measure import Measured, measure
from tests.bench.runs import TIMES, Runs
from tests.bench.table import Row

# What a deploy says of its longest operation.
APT = re.compile(r"(\S+) +took ([0-9.]+) s: base \| Packages of the stack")


def rows(runs: Runs) -> list[Row]:
    """Both targets, each alone, and the same by hand; medians of rounds in which each has a turn.

    By hand is what the deploy itself did on a target, in a shell script that root runs there.
    """
    scripts = _scripts(runs)
    targets = {name: each.role for name, each in configs.load(runs.inventory).targets.items()}
    each: dict[str, Callable[[], Measured]] = {
        **{f"{name} by hand": _by_hand(runs, name, scripts[name]) for name in targets},
        **{name: _deploy(runs, name, "--limit", role) for name, role in targets.items()},
        "both": _deploy(runs, "both"),
    }
    found: dict[str, list[Measured]] = {name: [] for name in each}
    for _ in range(TIMES):
        for name, run in each.items():
            runs.lab.reset()
            # What the run before has written is no business of this one.
            os.sync()
            found[name].append(run())
    seconds = {name: median(one.seconds for one in its) for name, its in found.items()}
    slower = max(seconds[name] for name in targets)
    apt = {name: _apt_s((runs.logs / f"{name}.log").read_text()) for name in targets}
    return [
        Row("first deploy of both, against the slower lane alone", seconds["both"], slower,
            goal=1.1, limit="both share two processors here, with the controller; behind both comes"
            " the proof that each is seen by the other"),
        Row("… against both one after the other", seconds["both"],
            sum(seconds[name] for name in targets)),
        *(
            Row(f"first deploy of {name}, against a bare shell script that does the same",
                seconds[name], seconds[f"{name} by hand"], goal=1.25,
                limit="the deploy proves itself at the end, which the script does not")
            for name in targets
        ),
        *(
            Row(f"… of {name}, against its apt transaction", seconds[name], apt[name])
            for name in targets
        ),
        Row("peak memory of the controller in it, against 150 MB",
            median(one.peak_mb for one in found["both"]), 150, "MB", 1),
        Row("processor's time of its live view, against 2 % of the controller's",
            view.cost_s(seconds["both"]), median(one.cpu_s for one in found["both"]) * 0.02,
            goal=1),
    ]  # fmt: skip


def _scripts(runs: Runs) -> Mapping[str, Path]:
    """Target → a script of what a first deploy does there; it is a warm-up as well."""
    folder = runs.logs / "by-hand"
    folder.mkdir(mode=0o700)
    runs.lab.reset()
    runs.pyinfra("spied", "deploy.py", module="tests.bench.spied", BENCH_COMMANDS=str(folder))
    return {script.stem: script for script in folder.iterdir()}


def _by_hand(runs: Runs, name: str, script: Path) -> Callable[[], Measured]:
    address = configs.load(runs.inventory).targets[name].address
    command = [*runs.lab.login.command(address, "root"), "sh -s"]
    log = runs.logs / f"{name}-by-hand.log"
    return lambda: measure(command, log, {}, stdin=script)


def _deploy(runs: Runs, name: str, *arguments: str) -> Callable[[], Measured]:
    return lambda: runs.pyinfra(name, "deploy.py", *arguments)


def _apt_s(log: str) -> float:
    """For how long a target's apt transaction took, as the deploy's own summary says."""
    found = APT.search(log)
    if not found:
        raise RuntimeError("the deploy does not say how long its packages took")
    return float(found[2])
