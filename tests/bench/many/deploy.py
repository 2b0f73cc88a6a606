"""As many operations as the application stack has, for targets that tell nothing of themselves."""

from pyinfra import host

from configs import Target
from state.run import current
from tasks.component import Component, Site, component, declare
from tasks.resources import text_file
from tests.unit.helpers import hardware

COMPONENTS, FILES = 20, 6
run = current()


def _component(number: int) -> Component:
    def deploy(site: Site) -> None:
        for each in range(FILES):
            text_file(f"/etc/chom/{number}/{each}.conf", f"{site.target.name} {number} {each}")

    deploy.__name__ = f"part{number}"
    return component(version=f"echo {number}")(deploy)


STACK = [_component(number) for number in range(COMPONENTS)]


def prepare(target: Target) -> None:
    """Declare the target's stack, as on a small machine."""
    if run.checked(host, hardware(), []):
        site = Site(target, hardware(), run.targets, run.taking_part(host.state), [22], run.secrets)
        run.plan(host, target.role, declare({"vpsmanager": STACK}, site), [])


run.prepare(host, prepare)
