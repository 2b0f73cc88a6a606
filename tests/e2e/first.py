"""A first deployment of fresh machines, and what there was before and after it."""

from dataclasses import dataclass

from state.record import Record
from tests.e2e.command import Outcome
from tests.e2e.disks import Listing, differences, listing
from tests.e2e.machines import answer
from tests.e2e.platform import Platform


@dataclass(frozen=True)
class Bare:
    """A machine before anything was deployed to it."""

    disk: Listing
    temporary: str
    packages: frozenset[str]
    users: frozenset[str]
    units: frozenset[str]


@dataclass(frozen=True)
class First:
    """Fresh machines, dry runs on them, and the deployment after them.

    ``details``: of the dry run with ``--diff``. ``written_by_dry``: what the dry runs changed among
    the records.
    """

    platform: Platform
    bare: dict[str, Bare]
    dry: Outcome
    details: Outcome
    after_dry: dict[str, Bare]
    written_by_dry: set[str]
    outcome: Outcome
    record: Record


def deploy_first(platform: Platform) -> First:
    """Reset the machines, plan, deploy."""
    platform.refresh()
    bare, records = _look(platform), _records(platform)
    dry = platform.project.deploy("--dry")
    details = platform.project.deploy("--dry", "--diff")
    after_dry = _look(platform)
    written_by_dry = differences(records, _records(platform), {})
    outcome = platform.deploy()
    assert outcome.code == 0, outcome
    record = platform.project.record()
    return First(platform, bare, dry, details, after_dry, written_by_dry, outcome, record)


def _records(platform: Platform) -> Listing:
    state = platform.project.state
    return listing(state) if state.exists() else {}


def _look(platform: Platform) -> dict[str, Bare]:
    return {machine.name: _bare(platform, machine.name) for machine in platform.lab.machines}


def _bare(platform: Platform, machine: str) -> Bare:
    lab = platform.lab
    # The listing comes last: the questions before it are logins, too.
    packages = answer(lab, machine, "dpkg-query -W -f='${Package}\\n'")
    users = answer(lab, machine, "cut -d: -f1 /etc/passwd")
    units = answer(lab, machine, "systemctl list-unit-files --no-legend | awk '{print $1}'")
    return Bare(
        temporary=answer(lab, machine, "find /tmp -mindepth 1 ! -path '/tmp/systemd-*'"),
        packages=frozenset(packages.split()),
        users=frozenset(users.split()),
        units=frozenset(units.split()),
        disk=listing(lab.rootfs(machine)),
    )
