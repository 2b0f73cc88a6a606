"""How long things took: each lane, and each operation that the summary may name."""

import time
from dataclasses import dataclass

from state.lanes import Lane, Observer, Operation, Step


@dataclass(frozen=True)
class Timed:
    """One operation that took ``seconds``."""

    seconds: float
    target: str
    component: str
    label: str


class Timings(Observer):
    """``lanes``: target → seconds, of those that have ended. ``operations``: in their order."""

    def __init__(self) -> None:
        self.lanes: dict[str, float] = {}
        self.operations: list[Timed] = []
        self._began: dict[str, float] = {}

    def slowest(self, count: int, least_s: float) -> list[Timed]:
        """The operations that took longest, the longest first; none of under ``least_s``."""
        found = sorted(self.operations, key=lambda each: -each.seconds)
        return [each for each in found[:count] if each.seconds >= least_s]

    def lane_started(self, lane: Lane) -> None:
        self._began[lane.host.name] = time.monotonic()

    def lane_ended(self, lane: Lane, completed: bool) -> None:
        self.lanes[lane.host.name] = time.monotonic() - self._began[lane.host.name]

    def operation_ended(
        self, lane: Lane, step: Step, operation: Operation, changed: bool, seconds: float
    ) -> None:
        self.operations.append(Timed(seconds, lane.host.name, step.component, operation.label))
