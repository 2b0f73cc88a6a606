"""Deploy: check each target, then declare its stack. ``pyinfra inventory.py deploy.py``.

pyinfra runs this file once for every target, all at once. The operations declared here run
afterwards, each target's in a lane of its own (state/lanes.py), and are recorded.
"""

from pyinfra import host

from facts.hardware import Hardware
from facts.health import Health
from state.run import current
from tasks.component import Site, declare
from tasks.preflight import check
from tasks.stacks import STACKS, addresses

run = current()
with run.preparing(host) as target:
    hardware = host.get_fact(Hardware)
    findings = check(target, hardware, host.get_fact(Health))
    if run.checked(host, hardware, findings) and hardware:
        site = Site(target, hardware, run.targets, run.taking_part(host.state))
        run.plan(host, target.role, declare(STACKS, site), addresses(site))
