"""The breaths of a run: one for each host, drawn when its work begins, remembered at its end."""

import os
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from pyinfra import logger
from pyinfra.api import Host

from state.breath import Breath
from state.lanes import Lane, Observer
from state.questions import load, save

# Every question is asked alone where it says so: for comparing, and should it ever be in the way.
VARIABLE, ALONE = "CHOM_FACTS", "alone"


class Breaths(Observer):
    """``folder``: where the questions are remembered. ``scrub``: takes secrets out of a text.

    ``before_change`` may be set to what is to be done before a host may change; where none is
    attached, nobody does it.
    """

    def __init__(
        self,
        folder: Path,
        scrub: Callable[[str], str],
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self.folder = folder
        self._scrub = scrub
        self.before_change: Callable[[], None] = lambda: None
        self._wanted = environ.get(VARIABLE) != ALONE
        self._breaths: dict[str, Breath] = {}

    @property
    def attached(self) -> bool:
        """Whether what hosts are asked passes here."""
        return bool(self._breaths)

    def attach(self, host: Host) -> None:
        """Let what a host is asked from now on pass here."""
        if self._wanted and host.name not in self._breaths:
            last = load(self._path(host.name))
            self._breaths[host.name] = Breath(
                host, last, self._scrub, before_change=lambda: self.before_change()
            )

    def begin(self, host: Host) -> None:
        """Ask a host at once what its part of the run is going to ask; waits for nothing."""
        if breath := self._breaths.get(host.name):
            breath.begin()

    def draw(self, host: Host) -> None:
        """Have its answers."""
        if breath := self._breaths.get(host.name):
            breath.draw()

    def keep(self, host: Host, turn: str | None) -> None:
        """Let what a host was asked serve its operations, if ``turn`` was still the last one."""
        if breath := self._breaths.get(host.name):
            breath.keep(turn)

    def lane_started(self, lane: Lane) -> None:
        self.draw(lane.host)

    def remember(self, completed: Collection[str]) -> None:
        """Keep for the next run what this one asked; ``completed``: those that asked all."""
        for name, breath in self._breaths.items():
            try:
                save(self._path(name), breath.questions(name in completed))
            except OSError as error:
                logger.debug("what %s was asked is not remembered: %s", name, error)

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.json"
