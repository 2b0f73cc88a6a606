"""Lanes: every target's operations in a greenlet of its own, waiting for each other by need.

A lane whose connection is lost goes on when there is one again: with the operation that was under
way, which asks anew what there is to do.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import gevent
from gevent.event import Event
from gevent.lock import Semaphore
from pyinfra import logger
from pyinfra.api import Host, State
from pyinfra.api.exceptions import OperationError, PyinfraError
from pyinfra.api.operations import run_host_op
from pyinfra.context import ctx_host, ctx_state

from facts.previews import ReleaseChange
from state.graph import Node, needed_nodes

# How long what is under way may take to end once it is interrupted, in seconds.
GRACE_S = 10
# How often one operation is begun again after its connection was lost.
TRIES = 3
UNANSWERED = "a question that it asks the host could not be answered; is the host still reachable?"


class Effect(Protocol):
    """One thing that an operation told it would do; see tasks/effects.py."""

    @property
    def verb(self) -> str: ...
    @property
    def what(self) -> str: ...
    @property
    def why(self) -> str: ...
    @property
    def diff(self) -> Sequence[str]: ...
    @property
    def old(self) -> str: ...
    @property
    def new(self) -> str: ...
    @property
    def release(self) -> ReleaseChange | None: ...


class Operation(Protocol):
    """One operation that pyinfra has queued for a host, by pyinfra's hash."""

    @property
    def hash(self) -> str: ...
    @property
    def label(self) -> str: ...
    @property
    def creates(self) -> tuple[tuple[str, str, str], ...]: ...
    @property
    def removes(self) -> tuple[tuple[str, str, str], ...]: ...
    @property
    def alone(self) -> bool: ...
    @property
    def effects(self) -> Sequence[Effect]: ...


class Step(Protocol):
    """One component on one target, its operations in order.

    ``alone``: what fails in it keeps no other component of the target from being done.
    ``tolerates``: those of ``needs`` in which operations may have failed alone.
    """

    @property
    def component(self) -> str: ...
    @property
    def needs(self) -> tuple[str, ...]: ...
    @property
    def tolerates(self) -> tuple[str, ...]: ...
    @property
    def version(self) -> str: ...
    @property
    def report(self) -> str: ...
    @property
    def alone(self) -> bool: ...
    @property
    def operations(self) -> Sequence[Operation]: ...


@dataclass
class Lane:
    """One target of a run: its host and its steps."""

    host: Host
    role: str
    steps: Sequence[Step]


class Observer:
    """Is told what happens in the lanes. The base class ignores it all."""

    def lane_started(self, lane: Lane) -> None: ...
    def lane_ended(self, lane: Lane, completed: bool) -> None: ...
    def step_started(self, lane: Lane, step: Step) -> None: ...
    def step_waits(self, lane: Lane, step: Step, nodes: Sequence[Node]) -> None: ...
    def step_completed(self, lane: Lane, step: Step) -> None: ...
    def step_skipped(self, lane: Lane, step: Step, reason: str) -> None: ...
    def step_interrupted(self, lane: Lane, step: Step) -> None: ...
    def link_lost(self, lane: Lane, doing: str) -> None: ...
    def link_mended(self, lane: Lane) -> None: ...
    def operation_starts(self, lane: Lane, step: Step, operation: Operation) -> None: ...
    def operation_ended(
        self, lane: Lane, step: Step, operation: Operation, changed: bool, seconds: float
    ) -> None: ...
    def step_failed(
        self, lane: Lane, step: Step, operation: Operation | None, message: str
    ) -> None: ...


class Links(Protocol):
    """Keeps the connections of lanes; ``mend`` returns why a target must be left alone, if so."""

    def is_lost(self, host: Host) -> bool: ...
    def was_lost(self, host: Host) -> bool: ...
    def mend(self, host: Host) -> str | None: ...


@dataclass
class _Progress:
    """How a component on a target stands: ``event`` is set once it has ended, well or not."""

    event: Event = field(default_factory=Event)
    outcome: str = "pending"


class Lanes:
    """Runs lanes concurrently, at most ``slots`` at a time; a waiting lane holds no slot.

    ``left_out``: target → role, of those that should have taken part but cannot; what needs a
    component of theirs is skipped.
    """

    def __init__(
        self,
        state: State,
        lanes: Sequence[Lane],
        observers: Sequence[Observer],
        slots: int,
        links: Links,
        left_out: Mapping[str, str] | None = None,
    ) -> None:
        self.state = state
        self.lanes = lanes
        self.observers = observers
        self.links = links
        self.slots = Semaphore(max(1, slots))
        self.roles = {**(left_out or {}), **{lane.host.name: lane.role for lane in lanes}}
        self.progress: dict[Node, _Progress] = {
            (lane.host.name, step.component): _Progress() for lane in lanes for step in lane.steps
        }
        self.under_way: dict[str, str] = {}
        self.stopped: PyinfraError | None = None
        # Targets on which nothing failed but operations that concern one application alone.
        self.partial: set[str] = set()
        self._interrupted = Event()

    def interrupt(self) -> list[str]:
        """Let no lane start another operation; returns what is still under way."""
        self._interrupted.set()
        for progress in self.progress.values():
            progress.event.set()
        return [f"{label} of {name}" for name, label in self.under_way.items()]

    def run(self) -> None:
        """Run every lane to its end.

        A failing lane ends alone; its host enters pyinfra's failed hosts. Raises PyinfraError
        when more hosts failed than ``--fail-percent`` allows: the other lanes then start no
        further operation, as they do once ``interrupt`` was called. What interrupts the caller
        ends all lanes at once.
        """
        with ctx_state.use(self.state):
            greenlets = [gevent.spawn(self._run_lane, lane) for lane in self.lanes]
            try:
                self._wait(greenlets)
            finally:
                gevent.killall(greenlets, timeout=5)
        if self.stopped:
            raise self.stopped

    def _wait(self, greenlets: Sequence[gevent.Greenlet]) -> None:
        """Until all have ended, or what was under way had its time once they are interrupted."""
        for ended in gevent.iwait([*greenlets, self._interrupted]):
            if ended is self._interrupted:
                gevent.joinall(greenlets, timeout=GRACE_S)
                return
            ended.get()
            if all(each.ready() for each in greenlets):
                return

    def _run_lane(self, lane: Lane) -> None:
        with ctx_host.use(lane.host), self.slots:
            if self._interrupted.is_set():
                return
            outcome = self._start(lane)
            try:
                for step in lane.steps:
                    if outcome in ("completed", "partial") or self._goes_on(lane, step, outcome):
                        ended = self._run_step(lane, step)
                        if outcome == "completed" or ended in ("failed", "interrupted"):
                            outcome = ended
                if outcome == "partial":
                    self.partial.add(lane.host.name)
                if outcome in ("failed", "partial") and lane.host not in self.state.failed_hosts:
                    self._fail_host(lane.host)
            finally:
                for step in lane.steps:
                    self.progress[lane.host.name, step.component].event.set()
            if outcome != "interrupted":
                self._tell("lane_ended", lane, outcome == "completed")

    def _goes_on(self, lane: Lane, step: Step, outcome: str) -> bool:
        """Whether a step is run although one before it failed."""
        failed_alone = outcome == "failed" and lane.host not in self.state.failed_hosts
        return step.alone and failed_alone and not self.stopped

    def _start(self, lane: Lane) -> str:
        try:
            self._tell("lane_started", lane)
        except PyinfraError as error:
            self._tell("step_failed", lane, lane.steps[0], None, str(error))
            self._fail_host(lane.host)
            return "failed"
        return "completed"

    def _run_step(self, lane: Lane, step: Step) -> str:
        """Run one step; returns its outcome. A step whose need is not met is skipped: completed.

        What fails ``alone`` lets the operations after it run: then the outcome is "partial", and
        the steps that tolerate that run as well.
        """
        unmet = self._wait_for_needs(lane, step)
        if self._interrupted.is_set():
            return "interrupted"
        if unmet:
            self._end(lane, step, "skipped")
            self._tell("step_skipped", lane, step, unmet)
            return "completed"
        self._tell("step_started", lane, step)
        outcome = "completed"
        for operation in step.operations:
            if self._interrupted.is_set():
                self._tell("step_interrupted", lane, step)
                return "interrupted"
            if self.stopped:
                self._end(lane, step, "failed")
                self._tell("step_failed", lane, step, None, "stopped: too many targets failed")
                return "failed"
            message = self._run_operation(lane, step, operation)
            if message is not None:
                self._tell("step_failed", lane, step, operation, message)
                if not operation.alone:
                    outcome = "failed"
                    break
                outcome = "partial"
        if outcome != "completed":
            self._end(lane, step, outcome)
            if outcome == "failed" and not step.alone:
                self._fail_host(lane.host)
            return outcome
        self._end(lane, step, "completed")
        self._tell("step_completed", lane, step)
        return "completed"

    def _run_operation(self, lane: Lane, step: Step, operation: Operation) -> str | None:
        """Run one operation, again where its connection was lost; returns what went wrong."""
        if problem := self._mend(lane, "nothing was under way"):
            return problem
        self._tell("operation_starts", lane, step, operation)
        self.under_way[lane.host.name] = operation.label
        started = time.monotonic()
        try:
            message = self._try_operation(lane, operation)
            for _ in range(TRIES - 1):
                if (
                    message is None
                    or self._interrupted.is_set()
                    or not self.links.was_lost(lane.host)
                ):
                    break
                if problem := self._mend(lane, f"{operation.label} was under way"):
                    return problem
                _forget(self.state, lane.host, operation)
                message = self._try_operation(lane, operation)
        finally:
            del self.under_way[lane.host.name]
        if message is None:
            meta = self.state.get_op_data_for_host(lane.host, operation.hash).operation_meta
            seconds = time.monotonic() - started
            self._tell("operation_ended", lane, step, operation, meta.did_change(), seconds)
        return message

    def _try_operation(self, lane: Lane, operation: Operation) -> str | None:
        try:
            succeeded = run_host_op(self.state, lane.host, operation.hash)
        except Exception as error:
            logger.debug("operation %s raised", operation.label, exc_info=True)
            return _explain(error)
        if not succeeded:
            return "its command failed"
        return UNANSWERED if lane.host in self.state.failed_hosts else None

    def _mend(self, lane: Lane, doing: str) -> str | None:
        """See that a lane's target is reachable and ours; returns why it is not."""
        lost = self.links.is_lost(lane.host)
        if lost:
            self._tell("link_lost", lane, doing)
        problem = self.links.mend(lane.host)
        if problem is None and lost:
            self._tell("link_mended", lane)
        return f"{problem}; {doing}" if problem and lost else problem

    def _wait_for_needs(self, lane: Lane, step: Step) -> str:
        """Wait, without a slot, until all needs have ended; returns which one is not met."""
        nodes = sorted(needed_nodes(step.needs, lane.role, lane.host.name, self.roles))
        waits = [node for node in nodes if not self._has_ended(node)]
        if waits:
            self._tell("step_waits", lane, step, waits)
            self.slots.release()
            for node in waits:
                self.progress[node].event.wait()
            self.slots.acquire()
        tolerated = needed_nodes(step.tolerates, lane.role, lane.host.name, self.roles)
        unmet = [
            node for node in nodes if not self._has_ended(node, "completed")
            and not (node in tolerated and self._has_ended(node, "partial"))
        ]  # fmt: skip
        return ", ".join(f"{name} of {target} was not completed" for target, name in unmet)

    def _has_ended(self, node: Node, outcome: str | None = None) -> bool:
        """Whether a component has ended, with this outcome; one of no lane never began."""
        if node not in self.progress:
            return outcome is None
        progress = self.progress[node]
        return progress.event.is_set() and outcome in (None, progress.outcome)

    def _tell(self, event: str, *details: object) -> None:
        for observer in self.observers:
            getattr(observer, event)(*details)

    def _end(self, lane: Lane, step: Step, outcome: str) -> None:
        progress = self.progress[lane.host.name, step.component]
        progress.outcome = outcome
        progress.event.set()

    def _fail_host(self, host: Host) -> None:
        """Let pyinfra count the failure; it raises when the run should not go on."""
        others_left = len(self.state.active_hosts - {host}) > 0
        try:
            self.state.fail_hosts({host})
        except PyinfraError as error:
            if others_left:
                self.stopped = error


def _forget(state: State, host: Host, operation: Operation) -> None:
    """Let an operation be run again: pyinfra runs each once, and counts each failure."""
    meta = state.get_op_data_for_host(host, operation.hash).operation_meta
    if meta.is_complete():
        state.get_results_for_host(host).error_ops -= 1
        meta._success = meta._commands = meta._combined_output = None


def _explain(error: Exception) -> str:
    if isinstance(error, PyinfraError) and "No hosts remaining" in str(error):
        return UNANSWERED
    if isinstance(error, OperationError):
        return str(error)  # an operation's own words
    return f"{type(error).__name__}: {error}"
