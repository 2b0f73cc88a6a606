"""One line for each lane: how far it is, what it does, for how long, what it waits for."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import click

from state.columns import cut, pad, printable, width
from state.graph import Node
from state.lanes import Lane, Observer, Operation, Step
from state.overhearing import forget, heard

# What is shorter would only flicker.
TICKS_AFTER_S = 2
_INDENT = "    "
_COLOURS = {"completed": "green", "failed": "red", "waits": "yellow", "verifying": "blue"}


@dataclass
class _Row:
    """How a lane stands. ``text``: what it does, since ``since`` of the monotonic clock."""

    lane: Lane
    since: float
    text: str = "waits for its turn"
    state: str = "waits"
    position: int = 0
    changed: int = 0
    operation: str = ""


class LaneView(Observer):
    """The lanes of a run in lines, as an observer of them.

    ``scrub``: takes secrets out of a text. ``clock``: the monotonic one, in seconds.
    """

    def __init__(
        self,
        lanes: Sequence[Lane],
        scrub: Callable[[str], str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._scrub = scrub
        self._clock = clock
        self._began = clock()
        self._drawn_at = self._began
        self._changed = True
        self._rows = {lane.host.name: _Row(lane, self._began) for lane in lanes}

    def is_stale(self) -> bool:
        """Whether there is anything new to see: something happened, or a second has passed."""
        return self._changed or int(self._clock()) != int(self._drawn_at)

    def lines(self, columns: int) -> list[str]:
        """The lines as they are now, none wider than this."""
        now = self._drawn_at = self._clock()
        self._changed = False
        names = max(map(width, self._rows), default=0)
        head = cut(f"{_INDENT}{_span(now - self._began)} so far", columns)
        return [click.style(head, bold=True)] + [
            self._line(name, row, names, columns, now) for name, row in self._rows.items()
        ]

    def _line(self, name: str, row: _Row, names: int, columns: int, now: float) -> str:
        total = str(len(row.lane.steps))
        place = f"{row.position:>{len(total)}}/{total}"
        told = [f"{row.text}: {row.operation}" if row.operation else row.text]
        if row.state != "completed":
            seconds = now - row.since
            told += [_span(seconds)] if seconds >= TICKS_AFTER_S else []
        if row.operation and (said := heard(row.lane.host)):
            told.append(self._clean(str(said)))
        left = cut(f"{_INDENT}{pad(name, names)}", columns)
        right = cut(f"  {place}  {', '.join(told)}", columns - width(left))
        return click.style(left, bold=True) + click.style(right, fg=_COLOURS.get(row.state))

    def verifying(self) -> None:
        """All that was deployed is now proven."""
        for row in self._rows.values():
            self._now(row, "verifying", "verifying")

    def lane_started(self, lane: Lane) -> None:
        self._now(self._row(lane), "begins", "working")

    def lane_ended(self, lane: Lane, completed: bool) -> None:
        row = self._row(lane)
        if completed:
            row.position = len(lane.steps)
            seconds = self._clock() - self._began
            self._now(row, f"completed: {row.changed} changes, {_span(seconds)}", "completed")
        elif row.state != "failed":
            self._now(row, "failed", "failed")

    def step_started(self, lane: Lane, step: Step) -> None:
        row = self._row(lane)
        row.position = _position(lane, step)
        self._now(row, step.component, "working")

    def step_waits(self, lane: Lane, step: Step, nodes: Sequence[Node]) -> None:
        names = ", ".join(f"{component} of {target}" for target, component in nodes)
        row = self._row(lane)
        row.position = _position(lane, step)
        self._now(row, f"{step.component} waits for {names}", "waits")

    def step_interrupted(self, lane: Lane, step: Step) -> None:
        self._now(self._row(lane), f"{step.component}: interrupted", "waits")

    def link_lost(self, lane: Lane, doing: str) -> None:
        self._now(self._row(lane), "the connection is lost; connecting again", "waits")

    def link_mended(self, lane: Lane) -> None:
        self._now(self._row(lane), "connected again", "working")

    def operation_starts(self, lane: Lane, step: Step, operation: Operation) -> None:
        row = self._row(lane)
        forget(lane.host)
        self._now(row, step.component, "working")
        row.operation = self._clean(operation.label)

    def operation_ended(
        self, lane: Lane, step: Step, operation: Operation, changed: bool, seconds: float
    ) -> None:
        row = self._row(lane)
        row.changed += changed
        self._now(row, step.component, "working")

    def step_failed(
        self, lane: Lane, step: Step, operation: Operation | None, message: str
    ) -> None:
        what = f"{step.component}: {operation.label}" if operation else step.component
        self._now(self._row(lane), f"failed: {what}: {message}", "failed")

    def _row(self, lane: Lane) -> _Row:
        return self._rows[lane.host.name]

    def _now(self, row: _Row, text: str, state: str) -> None:
        row.text, row.state, row.operation = self._clean(text), state, ""
        row.since = self._clock()
        self._changed = True

    def _clean(self, text: str) -> str:
        """A secret must be found before it is cut."""
        return printable(self._scrub(text).replace("\n", " ").replace("\t", " "))


def _position(lane: Lane, step: Step) -> int:
    """Which one of its lane's components a step is, counted from 1."""
    return [each.component for each in lane.steps].index(step.component) + 1


def _span(seconds: float) -> str:
    whole = int(seconds)
    return f"{whole} s" if whole < 120 else f"{whole // 60} min {whole % 60:02} s"
