"""Lanes: every target's operations in a greenlet of its own, waiting for each other by need."""

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

from state.graph import Node, needed_nodes

UNANSWERED = "a question that it asks the host could not be answered; is the host still reachable?"


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


class Step(Protocol):
    """One component on one target, its operations in order.

    ``alone``: what fails in it keeps no other component of the target from being done.
    """

    @property
    def component(self) -> str: ...
    @property
    def needs(self) -> tuple[str, ...]: ...
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
    def operation_starts(self, lane: Lane, step: Step, operation: Operation) -> None: ...
    def operation_ended(
        self, lane: Lane, step: Step, operation: Operation, changed: bool, seconds: float
    ) -> None: ...
    def step_failed(
        self, lane: Lane, step: Step, operation: Operation | None, message: str
    ) -> None: ...


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
        left_out: Mapping[str, str] | None = None,
    ) -> None:
        self.state = state
        self.lanes = lanes
        self.observers = observers
        self.slots = Semaphore(max(1, slots))
        self.roles = {**(left_out or {}), **{lane.host.name: lane.role for lane in lanes}}
        self.progress: dict[Node, _Progress] = {
            (lane.host.name, step.component): _Progress() for lane in lanes for step in lane.steps
        }
        self.stopped: PyinfraError | None = None

    def run(self) -> None:
        """Run every lane to its end.

        A failing lane ends alone; its host enters pyinfra's failed hosts. Raises PyinfraError
        when more hosts failed than ``--fail-percent`` allows: the other lanes then start no
        further operation. What interrupts the caller ends all lanes at once.
        """
        with ctx_state.use(self.state):
            greenlets = [gevent.spawn(self._run_lane, lane) for lane in self.lanes]
            try:
                gevent.joinall(greenlets, raise_error=True)
            finally:
                gevent.killall(greenlets, timeout=5)
        if self.stopped:
            raise self.stopped

    def _run_lane(self, lane: Lane) -> None:
        completed = True
        with ctx_host.use(lane.host), self.slots:
            self._tell("lane_started", lane)
            try:
                for step in lane.steps:
                    if completed or (step.alone and lane.host not in self.state.failed_hosts):
                        completed = self._run_step(lane, step) and completed
                if not completed and lane.host not in self.state.failed_hosts:
                    self._fail_host(lane.host)
            finally:
                for step in lane.steps:
                    self.progress[lane.host.name, step.component].event.set()
            self._tell("lane_ended", lane, completed)

    def _run_step(self, lane: Lane, step: Step) -> bool:
        """Run one step; False when it failed. A step whose need is not met is skipped.

        What fails ``alone`` lets the operations after it run.
        """
        unmet = self._wait_for_needs(lane, step)
        if unmet:
            self._end(lane, step, "skipped")
            self._tell("step_skipped", lane, step, unmet)
            return True
        self._tell("step_started", lane, step)
        failed = False
        for operation in step.operations:
            if self.stopped:
                self._end(lane, step, "failed")
                self._tell("step_failed", lane, step, None, "stopped: too many targets failed")
                return False
            message = self._run_operation(lane, step, operation)
            if message is not None:
                failed = True
                self._tell("step_failed", lane, step, operation, message)
                if not operation.alone:
                    break
        if failed:
            self._end(lane, step, "failed")
            if not step.alone:
                self._fail_host(lane.host)
            return False
        self._end(lane, step, "completed")
        self._tell("step_completed", lane, step)
        return True

    def _run_operation(self, lane: Lane, step: Step, operation: Operation) -> str | None:
        """Run one operation; returns None, or what went wrong."""
        self._tell("operation_starts", lane, step, operation)
        started = time.monotonic()
        try:
            succeeded = run_host_op(self.state, lane.host, operation.hash)
        except Exception as error:
            logger.debug("operation %s raised", operation.label, exc_info=True)
            return _explain(error)
        if not succeeded:
            return "its command failed"
        if lane.host in self.state.failed_hosts:
            return UNANSWERED
        meta = self.state.get_op_data_for_host(lane.host, operation.hash).operation_meta
        seconds = time.monotonic() - started
        self._tell("operation_ended", lane, step, operation, meta.did_change(), seconds)
        return None

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
        unmet = [node for node in nodes if not self._has_ended(node, "completed")]
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


def _explain(error: Exception) -> str:
    if isinstance(error, PyinfraError) and "No hosts remaining" in str(error):
        return UNANSWERED
    if isinstance(error, OperationError):
        return str(error)  # an operation's own words
    return f"{type(error).__name__}: {error}"
