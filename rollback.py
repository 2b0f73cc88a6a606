"""Roll an application back. ``pyinfra inventory.py rollback.py --data app=shop``.

To its newest good release before the one that serves, or to the one that ``--data release=ID``
names. Nothing else changes; the database stays as it is. Later deployments leave it there until
there is another commit than the one that was left.
"""

from pyinfra import host

from configs import Target
from facts.hardware import Hardware
from state.run import current
from tasks.component import Site, declare
from tasks.releases.rollback import chosen_app, rolling_back

run = current()


def prepare(target: Target) -> None:
    """Declare one target's part: nothing where it does not have the application."""
    app = chosen_app(run.targets, run.options.data)
    hardware = host.get_fact(Hardware)
    site = Site(target, hardware, run.targets, run.taking_part(host.state), [], run.secrets)
    part = (
        [rolling_back(app, run.options.data.get("release"), run.deployer.name)]
        if app in target.apps
        else []
    )
    run.plan(host, target.role, declare({target.role: part}, site), [])


run.prepare(host, prepare)
