"""Take away again what was created. ``pyinfra inventory.py teardown.py``.

What the records say we created, and nothing else; data are kept unless ``--data purge=true``.
``--data only=redis`` takes away one component, or several with commas between them. inventory.py
has shown the plan, and has had it confirmed, before anything was connected to.
"""

from typing import cast

from pyinfra import host

from configs import Target
from facts.hardware import Hardware, HardwareData, Machine
from facts.records import Records
from state.run import current
from tasks.component import Site
from tasks.stacks import STACKS
from tasks.teardown.request import plan_of
from tasks.teardown.steps import tear_down

run = current()


def prepare(target: Target) -> None:
    """Declare what goes from one target; it may be half broken, but must be known."""
    told: list[str] = host.get_fact(Records)
    hardware = host.get_fact(Hardware)
    machine = hardware["machine"] if hardware else host.get_fact(Machine)
    if not run.knows_all(host, told, machine, hardware):
        return
    unknown = cast(HardwareData, {})
    site = Site(target, unknown, run.targets, run.taking_part(host.state), [], run.secrets)
    found = plan_of(run.owned_resources(target.name), run.options.data, STACKS[target.role])
    run.plan(host, target.role, tear_down(found, site) if found.every else [], [])


run.prepare(host, prepare)
