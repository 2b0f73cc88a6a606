"""The first deploy of fresh machines."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import configs
from tasks.component import Site
from tasks.stacks import STACKS
from tests.bench import view
from tests.bench.measure import Measured, measure
from tests.bench.runs import Runs
from tests.bench.table import Row
from tests.unit.helpers import hardware


def rows(runs: Runs) -> list[Row]:
    """Both targets, one alone, and the same packages by hand; one run each, after a warm-up."""
    runs.first_deploy("warm-up")  # so that no figure pays for the first look at the disk
    by_hand = _apt_by_hand(runs)
    alone = {
        role: runs.first_deploy(role, "--limit", role) for role in ("observability", "vpsmanager")
    }
    both = runs.first_deploy("both")
    slower = max(each.seconds for each in alone.values())
    total = sum(each.seconds for each in alone.values())
    return [
        Row("first deploy of both, against the slower lane alone", both.seconds, slower, goal=1.1),
        Row("… against both one after the other", both.seconds, total),
        *(
            Row(
                f"first deploy of {role}, against its packages by a bare shell script",
                alone[role].seconds,
                by_hand[role].seconds,
                goal=1.25,
            )
            for role in alone
        ),
        Row("peak memory of the controller in it, against 150 MB", both.peak_mb, 150, "MB", 1),
        Row(
            "processor's time of its live view, against 2 % of the controller's",
            view.cost_s(both.seconds),
            both.cpu_s * 0.02,
            goal=1,
        ),
    ]


def _apt_by_hand(runs: Runs) -> dict[str, Measured]:
    """Role → the packages of its stack, on fresh machines, side by side."""
    runs.lab.reset()
    targets = configs.load(runs.lab.inventory).targets
    with ThreadPoolExecutor() as pool:
        done = pool.map(lambda name: _one_by_hand(runs, name, targets), targets)
        return {targets[name].role: each for name, each in zip(targets, done, strict=True)}


def _one_by_hand(runs: Runs, name: str, targets: Mapping[str, configs.Target]) -> Measured:
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
    command = [*runs.lab.login.command(target.address, "root"), script]
    return measure(command, runs.logs / f"apt-{name}.log", {})
