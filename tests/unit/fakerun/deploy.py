"""What deploy.py does, with stacks of two small components.

FAKE_UNFIT and FAKE_BROKEN: the end of the names of targets that are unfit, or have a mistake.
FAKE_CRASH: set, an error holds a secret. FAKE_MACHINE: which machine all targets are; otherwise
each is one of its own.
"""

import os

from pyinfra import host

from configs import Target
from configs.findings import Finding
from state.run import current
from tasks.component import Site, declare
from tests.unit.fakerun.stacks import STACKS
from tests.unit.helpers import hardware

run = current()


def prepare(target: Target) -> None:
    """Check and declare as the environment says."""
    findings = []
    if host.name.endswith(os.environ.get("FAKE_UNFIT", "nobody")):
        findings = [Finding("memory", "1 MB", "at least 900 MB", "take a larger server")]
    if host.name.endswith(os.environ.get("FAKE_BROKEN", "nobody")):
        raise KeyError("a mistake in a component")
    if "FAKE_CRASH" in os.environ:
        raise KeyError(f"a mistake that tells {run.secrets['GUEST_PASSWORD'].reveal()}")
    machine = os.environ.get("FAKE_MACHINE", f"machine of {host.name}")
    found = hardware(machine=machine)
    run.owned(host.name, machine)
    if run.checked(host, found, findings):
        site = Site(target, found, run.targets, run.taking_part(host.state), [22], run.secrets)
        run.plan(
            host,
            target.role,
            declare(run.selection.of(STACKS), site),
            [f"http://{target.address}/"],
        )
        run.tell_afterwards(host, [lambda record: ("tell-somebody", record["status"])])


run.prepare(host, prepare)
