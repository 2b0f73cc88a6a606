"""Keeps the record while the lanes run: written again whenever something has been done."""

import time
from collections.abc import Sequence

from pydantic import ValidationError
from pyinfra import logger
from pyinfra.api import State
from pyinfra.api.exceptions import PyinfraError
from pyinfra.connectors.util import CommandOutput

from facts.existing import Existing
from facts.reports import Report
from facts.versions import Versions
from state.connection import last_exit_code
from state.lanes import Lane, Observer, Operation, Step
from state.links import Links
from state.record import Component, Error, Record, Release, ResourcesCreated, Status
from state.store import Store, now

OUTPUT_LINES = 30


class Recorder(Observer):
    """Writes what the lanes do into a record, and the record into the store."""

    def __init__(self, state: State, record: Record, store: Store, links: Links) -> None:
        self.state = state
        self.links = links
        self.record = record
        self.store = store
        self.stood_before: dict[str, set[tuple[str, str]]] = {}
        self.started = time.monotonic()

    def open(self, lanes: Sequence[Lane]) -> None:
        """Write the record for the first time: before anything changes."""
        for lane in lanes:
            target = self.record.targets[lane.host.name]
            target.components = {step.component: Component() for step in lane.steps}
        self.store.save(self.record)

    def close(self, status: Status) -> None:
        """Write the record for the last time."""
        if self.record.status == "running":
            self.record.duration_s = round(time.monotonic() - self.started, 1)
            self.record.close(status, now())
            self.store.save(self.record)

    def lane_started(self, lane: Lane) -> None:
        target = self.record.targets[lane.host.name]
        target.status, target.started_at = "running", now()
        resources = [
            item for step in lane.steps for operation in step.operations
            for item in operation.creates
        ]  # fmt: skip
        found = self.links.asked(
            lane.host, lambda: lane.host.get_fact(Existing, resources=resources)
        )
        self.stood_before[lane.host.name] = set(found)
        self.store.save(self.record)

    def lane_ended(self, lane: Lane, completed: bool) -> None:
        target = self.record.targets[lane.host.name]
        target.status = "completed" if completed else "failed"
        target.completed_at = now()
        try:
            self._read_versions(lane)
            self._read_reports(lane)
        except PyinfraError:
            logger.debug("%s does not tell what it has now", lane.host.name, exc_info=True)
        self.store.save(self.record)

    def _read_versions(self, lane: Lane) -> None:
        components = self.record.targets[lane.host.name].components
        commands = {
            step.component: step.version
            for step in lane.steps
            if components[step.component].status == "completed"
        }
        if commands and lane.host not in self.state.failed_hosts:
            found = self.links.asked(
                lane.host, lambda: lane.host.get_fact(Versions, commands=commands)
            )
            for name, version in found.items():
                components[name].version = version

    def step_started(self, lane: Lane, step: Step) -> None:
        component = self._component(lane, step)
        component.status, component.started_at = "running", now()
        self.store.save(self.record)

    def step_completed(self, lane: Lane, step: Step) -> None:
        component = self._component(lane, step)
        component.status, component.completed_at = "completed", now()
        self.store.save(self.record)

    def step_skipped(self, lane: Lane, step: Step, reason: str) -> None:
        component = self._component(lane, step)
        component.status, component.reason = "skipped", reason
        self.store.save(self.record)

    def operation_starts(self, lane: Lane, step: Step, operation: Operation) -> None:
        """List what is about to be created first, so that no crash can leave it unlisted."""
        before = self.stood_before[lane.host.name]
        new = [item for item in operation.creates if item not in before]
        if new:
            self._note_created(self.record.targets[lane.host.name].resources_created, new)
            self.store.save(self.record)

    def _note_created(self, created: ResourcesCreated, new: Sequence[tuple[str, str]]) -> None:
        for kind, name in new:
            names: list[str] = getattr(created, kind)
            if name not in names:
                names.append(name)

    def operation_ended(
        self, lane: Lane, step: Step, operation: Operation, changed: bool, seconds: float
    ) -> None:
        component = self._component(lane, step)
        component.changed += changed
        component.unchanged += not changed

    def step_failed(
        self, lane: Lane, step: Step, operation: Operation | None, message: str
    ) -> None:
        component = self._component(lane, step)
        component.status, component.completed_at = "failed", now()
        command, output = self._last_words(lane, operation)
        target = self.record.targets[lane.host.name]
        if target.error:
            # Of several that failed alone, the first is told whole.
            what = f"{operation.label}: " if operation else ""
            target.error.message += f"; {what}{message}"
            target.error.output += output
            self.store.save(self.record)
            return
        target.error = Error(
            stage="deploy",
            message=message,
            component=step.component,
            operation=operation.label if operation else None,
            command=command,
            exit_code=last_exit_code(lane.host) if command else None,
            output=output,
            remedy="mend what the output names, then run this target again: "
            f"pyinfra inventory.py {self.record.action}.py --limit {lane.host.name}",
        )
        self.store.save(self.record)

    def _read_reports(self, lane: Lane) -> None:
        """Keep what the host tells of its releases; one that is lost tells nothing."""
        for step in lane.steps:
            component = self._component(lane, step)
            if not step.report or component.status not in ("completed", "failed"):
                continue
            try:
                told = lane.host.get_fact(Report, shell=step.report)
                component.releases = [Release.model_validate(each) for each in told]
            except (PyinfraError, ValidationError):
                logger.debug("no report of %s", lane.host.name, exc_info=True)

    def _last_words(self, lane: Lane, operation: Operation | None) -> tuple[str | None, list[str]]:
        """The failed operation's last command, and the end of what it printed."""
        if operation is None:
            return None, []
        meta = self.state.get_op_data_for_host(lane.host, operation.hash).operation_meta
        if not meta.is_complete():
            return None, []
        commands = meta._commands or []
        output: CommandOutput = meta._combined_output or CommandOutput([])
        lines = [line.line for line in output.combined_lines][-OUTPUT_LINES:]
        return (str(commands[-1]) if commands else None), lines

    def _component(self, lane: Lane, step: Step) -> Component:
        return self.record.targets[lane.host.name].components[step.component]
