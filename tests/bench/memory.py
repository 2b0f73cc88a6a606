"""What the services of a machine hold in memory."""

from dataclasses import dataclass

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
