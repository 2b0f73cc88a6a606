"""What teardown.py does, with the stacks of the fake run."""

from pyinfra import host

from configs import Target
from state.run import current
from tasks.component import Site
from tasks.teardown.request import plan_of
from tasks.teardown.steps import tear_down
from tests.unit.fakerun.stacks import STACKS
from tests.unit.helpers import hardware

run = current()


def prepare(target: Target) -> None:
    """Declare what goes from one target."""
    site = Site(target, hardware(), run.targets, run.taking_part(host.state), [], run.secrets)
    found = plan_of(run.owned_resources(target.name), run.options.data, STACKS[target.role])
    run.plan(host, target.role, tear_down(found, site) if found.every else [], [])


run.prepare(host, prepare)
