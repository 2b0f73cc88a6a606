"""Two components for each role; commands that a test can let fail or take long."""

from pyinfra.operations import server

from configs.secrets import Needed
from tasks.component import Component, Site, component, noted


def _say(word: str, *creates: tuple[str, str]) -> None:
    with noted(f"Say {word}", *creates) as label:
        server.shell(name=label, commands=[f"echo {word}"])


@component(version="echo 1.0")
def ground(site: Site) -> None:
    """The same on both roles."""
    _say("ground", ("files", "/etc/ground"))


GUEST = Needed("GUEST_PASSWORD", "what a guest says at the door")


@component(needs=["ground"], version="echo 2.0", secrets=[GUEST])
def house(site: Site) -> None:
    """Its second operation is another on each role."""
    _say("walls", ("directories", "/house"))
    _say(f"roof-of-{site.target.role}", ("files", "/house/roof"))


STACKS: dict[str, list[Component]] = {
    "observability": [ground, house],
    "vpsmanager": [ground, house],
}
