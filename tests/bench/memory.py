"""What the services of a machine hold in memory."""

from dataclasses import dataclass

from tests.bench.runs import Runs
from tests.bench.table import Row
from tests.e2e.machines import answer
from tests.lab import Lab

# What shared pages there are is divided among those who share them.
SCRIPT = """
for folder in /sys/fs/cgroup/system.slice/*.service; do
  pids=$(find "$folder" -name cgroup.procs -exec cat {} +)
  [ -z "$pids" ] || for pid in $pids; do cat "/proc/$pid/smaps_rollup" 2>/dev/null; done |
    awk -v unit="${folder##*/}" '/^Pss:/ { sum += $2 } END { print unit, sum }'
done
"""


# What the whole observability stack may hold, so that it fits a server of 2 GB.
STACK_MB = 1200


def rows(runs: Runs) -> list[Row]:
    """The observability stack at rest; a stand-in is not counted, and told as missing."""
    found = held(runs.lab, "observability")
    real = sum(each.mb for each in found if not each.stand_in)
    missing = ", ".join(each.unit for each in found if each.stand_in)
    less = f"; not counted are {missing}, stand-ins here" if missing else ""
    what = f"memory of the services of observability at rest, against {STACK_MB} MB{less}"
    return [Row(what, real, STACK_MB, "MB", None if missing else 1)]


@dataclass(frozen=True)
class Held:
    """A unit and its proportional set size in MB. ``stand_in``: it is not the real program."""

    unit: str
    mb: float
    stand_in: bool


def held(lab: Lab, machine: str) -> list[Held]:
    """All running services of a machine, the largest first."""
    stand_ins = answer(
        lab, machine, "dpkg-query -W -f='${Package} ${Version}\\n' | awk '/standin/ {print $1}'"
    ).split()
    lines = [line.split() for line in answer(lab, machine, SCRIPT).splitlines()]
    found = [
        Held(unit, int(kb) / 1024, unit.removesuffix(".service").split("-")[0] in stand_ins)
        for unit, kb in lines
    ]
    return sorted(found, key=lambda each: -each.mb)
