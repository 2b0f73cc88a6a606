"""Deploy: check each target, then declare its stack. ``pyinfra inventory.py deploy.py``.

pyinfra runs this file once for every target, all at once. The operations declared here run
afterwards, each target's in a lane of its own (state/lanes.py), and are recorded.
"""

import time

from pyinfra import host

from configs import Target
from configs.given import adopted_in
from configs.versions import load_versions
from facts.hardware import Hardware
from facts.health import Health
from state.run import current
from tasks.availability import check_packages
from tasks.component import Site, declare
from tasks.conflicts import find_conflicts
from tasks.laravel.preflight import check_names
from tasks.mariadb.preflight import check_mariadb
from tasks.nginx.preflight import check_sites
from tasks.preflight import check
from tasks.prometheus.preflight import check_step_back
from tasks.redis.preflight import check_redis
from tasks.stacks import STACKS, addresses, announcements, order_of
from tasks.teardown.leftovers import leftovers
from tasks.teardown.showing import names_of
from tasks.teardown.steps import remove_leftovers
from tasks.verification.verify import verify

run = current()


def prepare(target: Target) -> None:
    """Check the target; if it is fit, declare what should be true on it."""
    hardware, health = host.get_fact(Hardware), host.get_fact(Health)
    findings = check(target, hardware, health, (run.connected[host.name], time.time()))
    stacks = run.selection.of(STACKS)
    site, steps = None, []
    if hardware:
        in_this_run = run.taking_part(host.state)
        ports = health["ssh_ports"]
        owned = run.owned(target.name, hardware["machine"])
        run.learn(host, health["records"])
        site = Site(target, hardware, run.targets, in_this_run, ports, run.secrets, owned)
        stack = stacks[target.role]
        findings += check_packages(site, stack, health, load_versions(), dry=run.options.dry)
        findings += check_step_back(target)
        findings += check_names(target, owned) + check_redis(target, health, owned)
        findings += check_sites(owned) + check_mariadb(target, owned)
        if all(each.warning for each in findings):
            steps = declare(stacks, site)
            findings += find_conflicts(steps, owned, adopted_in(run.options.data))
    if run.checked(host, hardware, findings) and site:
        if run.selection.whole:
            left = leftovers(run.owned_resources(target.name), steps, order_of(target.role))
            steps += remove_leftovers(left, site, [step.component for step in steps])
            for problem in left.refused:
                run.note(host, f"left alone, although a record says it is ours: {problem}")
            if left.every and left.kept:
                run.note(host, f"no longer declared, and kept as data: {names_of(left.kept)}")
        run.plan(host, target.role, steps, addresses(site), lambda: verify(site))
        run.tell_afterwards(host, announcements(site))


run.prepare(host, prepare)
