"""A run on a terminal: a view of its lanes that lives, and is gone when the run is over."""

from collections.abc import Sequence

import click
import gevent

from state.console import say
from state.lane_view import LaneView
from state.lanes import Lane, Operation, Step
from state.screen import Shown
from state.scrubbing import Scrubber

FRAME_S = 0.5


class Live(LaneView):
    """Draws the view each second, and up to twice where something happens.

    What fails, is skipped or is lost is said above it, too.
    """

    def __init__(self, lanes: Sequence[Lane], scrubber: Scrubber) -> None:
        super().__init__(lanes, scrubber.scrub)
        self._width = max((len(lane.host.name) for lane in lanes), default=0)
        self._shown = Shown(self.lines, scrubber)
        self._drawing: gevent.Greenlet | None = None

    def begin(self) -> None:
        self._shown.begin()
        self._drawing = gevent.spawn(self._draw)

    def _draw(self) -> None:
        while True:
            gevent.sleep(FRAME_S)
            if self.is_stale() or self._shown.screen.is_resized:
                self._shown.screen.draw()

    def end(self) -> None:
        if self._drawing is not None:
            self._drawing.kill()
        self._shown.end()

    def step_skipped(self, lane: Lane, step: Step, reason: str) -> None:
        super().step_skipped(lane, step, reason)
        self._say(lane, f"{step.component} skipped: {reason}", "yellow")

    def link_lost(self, lane: Lane, doing: str) -> None:
        super().link_lost(lane, doing)
        self._say(lane, f"the connection is lost ({doing}); connecting again …", "yellow")

    def link_mended(self, lane: Lane) -> None:
        super().link_mended(lane)
        self._say(lane, "connected again; going on", "green")

    def step_failed(
        self, lane: Lane, step: Step, operation: Operation | None, message: str
    ) -> None:
        super().step_failed(lane, step, operation, message)
        label = f" | {operation.label}" if operation else ""
        self._say(lane, f"{step.component}{label}: {message}", "red")

    def _say(self, lane: Lane, text: str, colour: str) -> None:
        name = click.style(lane.host.name.ljust(self._width), bold=True)
        say(f"    {name}  {click.style(text, fg=colour)}")
