"""``make bench``: what a deploy costs, each figure against another of the same hour.

Needs root and the lab; uses a lab of its own and takes it down. Nothing here can fail a build:
a goal that is missed is printed as missed.
"""

import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import configs
from tasks.component import Site
from tasks.stacks import STACKS
from tests.bench import history, uptime, view
from tests.bench.measure import Measured, machine, measure
from tests.bench.memory import Held, held
from tests.bench.round_trips import per_machine
from tests.lab import Lab, LabError
from tests.unit.helpers import hardware

EMPTY = "tests/bench/empty.py"
# What the whole observability stack may hold, so that it fits a server of 2 GB.
STACK_MB = 1200.0


class Bench:
    """The lab and the runs on it."""

    def __init__(self, lab: Lab, logs: Path) -> None:
        self.lab = lab
        self.logs = logs
        self.inventory = lab.inventory

    def pyinfra(self, name: str, *arguments: str, **more: str) -> Measured:
        """Run pyinfra against the lab as it is; its output goes to a log called ``name``.

        ``more``: of the environment.
        """
        command = [sys.executable, "-m", "pyinfra", "inventory.py", *arguments, "-y"]
        environment = {
            "CHOM_INVENTORY": str(self.inventory),
            "CHOM_SECRETS_FILE": str(self.logs / "secrets.env"),
            "CHOM_SECRETS_KEY_FILE": str(self.logs / "secrets.key"),
            "CI": "",
            **more,
        }
        return measure(command, self.logs / f"{name}.log", environment)

    def round_trips(self, name: str, **more: str) -> float:
        """How often a run that changes nothing waits for each machine."""
        self.pyinfra(name, "deploy.py", "--debug-all", **more)
        return per_machine(self.logs / f"{name}.log", len(self.lab.machines))

    def first_deploy(self, name: str, *arguments: str) -> Measured:
        """Deploy to fresh machines."""
        self.lab.reset()
        return self.pyinfra(name, "deploy.py", *arguments)

    def apt_by_hand(self) -> Measured:
        """The packages of both stacks by a bare shell script, on fresh machines, side by side."""
        self.lab.reset()
        targets = configs.load(self.lab.inventory).targets
        with ThreadPoolExecutor() as pool:
            done = pool.map(lambda name: self._apt_by_hand(name, targets), targets)
            return max(done, key=lambda each: each.seconds)

    def _apt_by_hand(self, name: str, targets: dict[str, configs.Target]) -> Measured:
        target = targets[name]
        site = Site(target, hardware(), list(targets.values()), list(targets), [22], {})
        stack = STACKS[target.role]
        packages = {each for item in stack for each in item.packages(site)}
        vendors = {each.url: each for item in stack for each in item.repositories(site)}
        sources = "".join(
            f"echo 'deb [trusted=yes] {url} {each.suite} {each.components}'"
            f" > sources.list.d/{each.name}.list; "
            for url, each in vendors.items()
        )
        # The same suites as we make of what the machine has.
        script = (
            f"cd /etc/apt; {sources}"
            "{ sed -n 's/ trixie main/ trixie-updates main/p' sources.list;"
            " sed -n 's#debian trixie main#debian-security trixie-security main#p' sources.list; }"
            " > sources.list.d/more.list;"
            " export DEBIAN_FRONTEND=noninteractive; apt-get update -q && "
            f"apt-get install -y -q --no-install-recommends {' '.join(sorted(packages))}"
        )
        command = [*self.lab.login.command(target.address, "root"), script]
        return measure(command, self.logs / f"apt-{name}.log", {})


def row(what: str, one: float, other: float, unit: str, goal: float | None) -> str:
    """A line of the table: two figures, their ratio, and whether the goal was reached."""
    ratio = one / other
    verdict = "" if goal is None else f"≤ {goal:.2f}  {'reached' if ratio <= goal else 'MISSED'}"
    return f"{what:<52} {one:8.1f} {other:8.1f} {unit:<3} {ratio:6.2f}  {verdict}"


def memory(held: Sequence[Held], goal_mb: float) -> Sequence[str]:
    """Lines on the services of a machine; a stand-in's figure is shown, and counted in no sum."""
    largest = [
        f"  {each.unit:<50} {each.mb:8.1f} MB{'  a stand-in' if each.stand_in else ''}"
        for each in held
        if each.mb >= 1
    ]
    real = sum(each.mb for each in held if not each.stand_in)
    missing = [each.unit for each in held if each.stand_in]
    if missing:
        verdict = f"not decided: leaves {goal_mb - real:.0f} MB for {', '.join(missing)}"
    else:
        verdict = "reached" if real <= goal_mb else "MISSED"
    return [*largest, f"  {'all that are real':<50} {real:8.1f} MB  ≤ {goal_mb:.0f}  {verdict}"]


def report(bench: Bench) -> Sequence[str]:
    """Measure everything; returns the lines of the table."""
    bench.first_deploy("warm-up")  # so that no figure pays for the first look at the disk
    by_hand = bench.apt_by_hand()
    alone = {
        role: bench.first_deploy(role, "--limit", role) for role in ("observability", "vpsmanager")
    }
    both = bench.first_deploy("both")
    bench.pyinfra("settled", "deploy.py")
    empty = bench.pyinfra("empty", EMPTY)
    unchanged = bench.pyinfra("unchanged", "deploy.py")
    one_by_one = bench.pyinfra("one-by-one", "deploy.py", CHOM_FACTS="alone")
    trips = bench.round_trips("trips")
    trips_alone = bench.round_trips("trips-one-by-one", CHOM_FACTS="alone")
    services = held(bench.lab, "observability")
    bench.inventory = uptime.inventory(bench.lab, bench.logs)
    visitors = uptime.through_releases(bench.lab, bench.logs, bench.pyinfra)
    slower = max(each.seconds for each in alone.values())
    total = sum(each.seconds for each in alone.values())
    return [
        f"{'':<52} {'this':>8} {'against':>8}     {'ratio':>6}  goal",
        row("first deploy of both, against the slower lane alone", both.seconds, slower, "s", 1.10),
        row("first deploy of both, against the sum of both alone", both.seconds, total, "s", None),
        row("first deploy of both, against its apt work by hand",
            both.seconds, by_hand.seconds, "s", 1.25),
        row("no-change run, against an empty deploy",
            unchanged.seconds, empty.seconds, "s", 4.0),
        row("no-change run, against facts asked one by one",
            unchanged.seconds, one_by_one.seconds, "s", None),
        row("… its round trips for each target, against the same", trips, trips_alone, "", None),
        row("… against 6 of them", trips, 6, "", 1.0),
        row("processor's time of a first deploy's live view, against 2 %",
            view.cost_s(both.seconds), both.cpu_s * 0.02, "s", 1.0),
        row("peak memory of the controller, against 150 MB", both.peak_mb, 150, "MB", 1.0),
        row(f"slowest of {visitors.requests} requests through {uptime.RELEASES} releases, median",
            visitors.slowest_ms, visitors.median_ms, "ms", 60.0),
        row("… of them failed, against none", visitors.failed, 1, "", 0.0),
        "",
        "memory of the services of observability, at rest",
        *memory(services, STACK_MB),
        "",
        *history.report(bench.logs),
    ]  # fmt: skip


def main() -> int:
    """Measure on a lab of its own; exit code 1 only when something could not be run."""
    lab = Lab("bench", "10.65.0.0/24", say=lambda text: print(f"  {text}", file=sys.stderr))
    logs = Path(tempfile.mkdtemp(prefix="chom-bench-"))
    try:
        lab.up()
        lines = report(Bench(lab, logs))
    except (LabError, RuntimeError) as error:
        print(f"bench: {error}\nthe logs are in {logs}", file=sys.stderr)
        return 1
    finally:
        lab.down()
    print(f"{machine()}; one run each\n")
    print("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
