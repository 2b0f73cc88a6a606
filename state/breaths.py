"""The breaths of a run: one for each host, drawn when its work begins, remembered at its end."""

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from pyinfra import logger
from pyinfra.api import FactBase, Host

from facts.reports import Report
from facts.versions import Versions
from state.breath import Breath
from state.lanes import Lane, Observer, Step
from state.questions import Questions
from state.remembered import load, save
from state.signing import RecordKey

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
        key: RecordKey | None = None,
    ) -> None:
        self._key = key
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
            breath = Breath(
                host, Questions(), self._scrub, before_change=lambda: self.before_change()
            )
            breath.remind(load(self._path(host.name), self._key))
            self._breaths[host.name] = breath

    def begin(self, host: Host) -> None:
        """Ask a host at once what its part of the run is going to ask; waits for nothing."""
        if breath := self._breaths.get(host.name):
            breath.begin()

    def declared(self, host: Host, steps: Sequence[Step]) -> None:
        """Ask what the declared operations of a host ask by commands; waits for nothing."""
        if (breath := self._breaths.get(host.name)) and not host.state.should_check_for_changes():
            versions = {step.component: step.version for step in steps if step.version}
            asked: list[tuple[type[FactBase[Any]], Mapping[str, Any]]] = [
                (Report, {"shell": step.report}) for step in steps if step.report
            ]
            if versions:
                asked.append((Versions, {"commands": versions}))
            hashes = [each.hash for step in steps for each in step.operations]
            breath.ask_later(hashes, asked)

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
                save(self._path(name), breath.to_remember(name in completed), self._key)
            except OSError as error:
                logger.debug("what %s was asked is not remembered: %s", name, error)

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.json"
