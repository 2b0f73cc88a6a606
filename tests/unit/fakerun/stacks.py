"""Two components for each role; commands that a test can let fail or take long.

FAKE_CELLAR: set, the house has a cellar. FAKE_RELEASES: set, there is a third one, of operations
that fail alone, with a report.
"""

import os

from pyinfra.operations import server

from configs.secrets import Needed
from tasks.component import Component, Site, component, noted


def _say(word: str, *creates: tuple[str, str], alone: bool = False) -> None:
    with noted(f"Say {word}", *creates, alone=alone) as label:
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
    if "FAKE_CELLAR" in os.environ:
        _say("cellar", ("artifacts", "/house/cellar"))
    _say(f"roof-of-{site.target.role}", ("files", "/house/roof"))


@component(needs=["ground"], version="echo 3.0", report=lambda site: "tell-releases")
def guests(site: Site) -> None:
    """Each comes for itself; the last one cannot do without the house."""
    _say("first-guest", alone=True)
    _say("second-guest", alone=True)
    _say("host")


@component(needs=["guests"])
def party(site: Site) -> None:
    """What comes after."""
    _say("cheers")


_MORE = [guests, party] if "FAKE_RELEASES" in os.environ else []
STACKS: dict[str, list[Component]] = {
    "observability": [ground, house, *_MORE],
    "vpsmanager": [ground, house, *_MORE],
}
