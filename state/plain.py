"""A run in lines, one after the other: for logs, pipes, and whoever asked for every operation."""

import itertools
import time
from collections.abc import Sequence
from datetime import UTC, datetime

import click
import gevent

from state.columns import printable
from state.console import say
from state.graph import Node
from state.lanes import Lane, Observer, Operation, Step
from state.overhearing import forget, heard

SLOW_S = 2.0
HEARTBEAT_S = 15


class Plain(Observer):
    """Prints one line when a component starts, waits or ends, and for what takes long.

    Each begins with the time, UTC. ``every_operation``: these, too, as each begins.
    """

    def __init__(self, lanes: Sequence[Lane], every_operation: bool) -> None:
        self.width = max((len(lane.host.name) for lane in lanes), default=0)
        self.every_operation = every_operation
        self.started: dict[tuple[str, str], float] = {}
        self.counts: dict[tuple[str, str], list[int]] = {}
        self.heartbeats: dict[str, gevent.Greenlet] = {}

    def begin(self) -> None: ...

    def verifying(self) -> None: ...

    def end(self) -> None:
        """Nothing of an interrupted lane is told any more."""
        gevent.killall(list(self.heartbeats.values()))

    def step_started(self, lane: Lane, step: Step) -> None:
        self.started[lane.host.name, step.component] = time.monotonic()
        self.counts[lane.host.name, step.component] = [0, 0]
        position = [item.component for item in lane.steps].index(step.component) + 1
        self._line(lane, f"{step.component} ({position} of {len(lane.steps)}) …")

    def step_waits(self, lane: Lane, step: Step, nodes: Sequence[Node]) -> None:
        names = ", ".join(f"{component} of {target}" for target, component in nodes)
        self._line(lane, f"{step.component} waits for {names}")

    def operation_starts(self, lane: Lane, step: Step, operation: Operation) -> None:
        if self.every_operation:
            self._line(lane, f"{step.component} | {operation.label} …")
        self._start_beat(lane, operation.label)

    def _start_beat(self, lane: Lane, label: str) -> None:
        self._stop_beat(lane)
        forget(lane.host)
        self.heartbeats[lane.host.name] = gevent.spawn(self._beat, lane, label)

    def _beat(self, lane: Lane, label: str) -> None:
        """Say now and then that what takes long still goes on."""
        for seconds in itertools.count(HEARTBEAT_S, HEARTBEAT_S):
            gevent.sleep(HEARTBEAT_S)
            said = heard(lane.host)
            told = f", {printable(str(said))}" if said else ""
            self._line(lane, f"  {label}: {seconds} s so far …{told}")

    def lane_ended(self, lane: Lane, completed: bool) -> None:
        self._stop_beat(lane)

    def _stop_beat(self, lane: Lane) -> None:
        if beat := self.heartbeats.pop(lane.host.name, None):
            beat.kill(block=False)

    def operation_ended(
        self, lane: Lane, step: Step, operation: Operation, changed: bool, seconds: float
    ) -> None:
        self._stop_beat(lane)
        self.counts[lane.host.name, step.component][not changed] += 1
        if changed and (self.every_operation or seconds >= SLOW_S):
            self._line(lane, f"  {operation.label} ({seconds:.1f} s)")

    def step_completed(self, lane: Lane, step: Step) -> None:
        key = lane.host.name, step.component
        changed, unchanged = self.counts[key]
        seconds = time.monotonic() - self.started[key]
        done = click.style(step.component, fg="green")
        self._line(lane, f"{done}: {changed} changed, {unchanged} unchanged ({seconds:.1f} s)")

    def step_skipped(self, lane: Lane, step: Step, reason: str) -> None:
        self._line(lane, click.style(f"{step.component} skipped: {reason}", fg="yellow"))

    def step_interrupted(self, lane: Lane, step: Step) -> None:
        self._line(lane, click.style(f"{step.component}: interrupted", fg="yellow"))

    def link_lost(self, lane: Lane, doing: str) -> None:
        text = f"the connection is lost ({doing}); connecting again …"
        self._line(lane, click.style(text, fg="yellow"))
        self._start_beat(lane, "connecting again")

    def link_mended(self, lane: Lane) -> None:
        self._stop_beat(lane)
        self._line(lane, "connected again; going on")

    def step_failed(
        self, lane: Lane, step: Step, operation: Operation | None, message: str
    ) -> None:
        self._stop_beat(lane)
        label = f" | {operation.label}" if operation else ""
        self._line(lane, click.style(f"{step.component}{label}: {message}", fg="red"))

    def _line(self, lane: Lane, text: str) -> None:
        at = datetime.now(UTC).strftime("%H:%M:%S")
        say(f"{at} {click.style(lane.host.name.ljust(self.width), bold=True)}  {text}")
