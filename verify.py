"""Verify: prove that what is deployed works; changes nothing. ``pyinfra inventory.py verify.py``.

What it adds is one line in each target's journal, a test alert (with mail configured, a mail), and
for three minutes a small file on each application's public disk.
"""

from pyinfra import host

from configs import Target
from facts.hardware import Hardware
from state.run import current
from tasks.component import Site
from tasks.verification.verify import verify

run = current()


def prove(target: Target) -> None:
    """Verify one target, at the same time as all others."""
    hardware = host.get_fact(Hardware)
    in_this_run = run.taking_part(host.state)
    site = Site(target, hardware, run.targets, in_this_run, [], run.secrets)
    run.prove(host, lambda: verify(site))


run.prepare(host, prove)
