"""``make bench``: what a deploy costs, each figure against another of the same hour.

Needs root and the lab; uses a lab of its own and takes it down. Nothing here can fail a build:
a goal that is missed is printed as missed. ``python -m tests.bench again many`` measures only
these parts; ``--write`` puts all of it into docs/benchmarks.md.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.bench import again, applications, first, history, many, memory, table, uptime
from tests.bench.measure import machine
from tests.bench.runs import Runs
from tests.lab import Lab, LabError
from tests.lab.paths import PROJECT

PARTS: Mapping[str, Callable[[Runs], list[table.Row]]] = {
    "first": first.rows,
    "again": again.rows,
    "uptime": uptime.rows,
    "memory": memory.rows,
    "applications": applications.rows,
    "many": lambda runs: many.rows(runs.logs),
    "history": lambda runs: history.rows(runs.logs),
}
# What is measured on machines that must have been deployed to before.
DEPLOYED = {"again", "uptime", "memory", "applications"}
DOCUMENT = PROJECT / "docs" / "benchmarks.md"


def measured(parts: Sequence[str], runs: Runs) -> tuple[list[table.Row], dict[str, str]]:
    """The rows of these parts, in order; and why a part could not be measured."""
    if "first" not in parts and DEPLOYED & {*parts}:
        runs.first_deploy("both")
    rows: list[table.Row] = []
    failed: dict[str, str] = {}
    for name in PARTS:
        if name in parts:
            try:
                rows += PARTS[name](runs)
            except RuntimeError as error:
                failed[name] = str(error)
    return rows, failed


def document(rows: Sequence[table.Row]) -> str:
    """docs/benchmarks.md."""
    told = f"{machine()}, {datetime.now(UTC):%Y-%m-%d}"
    return "\n".join(
        [
            "# What was measured",
            "",
            f"By `make bench`, on {told}.",
            "The same computer carries the controller and the machines that are deployed to.",
            "Each figure stands against another of the same hour: a median of three runs, taken in",
            "turns, where it is a time. Ansible is given what `deploy.py` declares, written out as",
            "its tasks; what it has no module for is a command there that does nothing. By hand is",
            "what a deploy did on a target, as one script that root runs there.",
            "",
            *table.markdown(rows),
            "",
        ]
    )


def main() -> int:
    """Measure on a lab of its own; exit code 1 only when something could not be run."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--write", action="store_true", help=f"to {DOCUMENT.name} as well")
    chosen = parser.parse_args()
    if unknown := {*chosen.parts} - {*PARTS}:
        parser.error(f"no part {', '.join(unknown)}; there are {', '.join(PARTS)}")
    lab = Lab("bench", "10.65.0.0/24", say=lambda text: print(f"  {text}", file=sys.stderr))
    logs = Path(tempfile.mkdtemp(prefix="chom-bench-"))
    try:
        lab.up()
        rows, failed = measured(chosen.parts or list(PARTS), Runs(lab, logs))
    except (LabError, RuntimeError) as error:
        print(f"bench: {error}\nthe logs are in {logs}", file=sys.stderr)
        return 1
    finally:
        lab.down()
    print(f"{machine()}\n")
    print("\n".join(table.text(rows)))
    for name, reason in failed.items():
        print(f"\nbench: {name} could not be measured, the logs are in {logs}: {reason}")
    if chosen.write:
        DOCUMENT.write_text(document(rows))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
