"""Keeps the record while the lanes run.

It is on the disk before anything is created, and once that is gone; how far the run has come is
written a moment later, for many steps at once.
"""

import time
from collections.abc import Callable, Collection, Sequence

import gevent
from pydantic import ValidationError
from pyinfra import logger
from pyinfra.api import State
from pyinfra.api.exceptions import PyinfraError
from pyinfra.connectors.util import CommandOutput

from facts.existing import Existing
from facts.reports import Report
from facts.versions import Versions
from state.again import command_for
from state.connection import last_exit_code
from state.lanes import Lane, Observer, Operation, Step
from state.links import Links
from state.owned import Owned
from state.record import (
    Component,
    Error,
    Record,
    Release,
    Resource,
    ResourcesCreated,
    Status,
)
from state.remedies import remedy_for
from state.store import Store, now

OUTPUT_LINES = 30
# How long what only tells of progress may wait to be written, in seconds.
SOON_S = 0.5
# Removing one of these may end well and leave it: it is how one logs in. A folder that is not
# empty, or a package that somebody else's needs, is no longer ours.
KEPT_AT_TIMES = ("firewall_rules",)


class Recorder(Observer):
    """Writes what the lanes do into a record, and the record into the store."""

    def __init__(
        self,
        state: State,
        record: Record,
        store: Store,
        links: Links,
        owned: Callable[[str], Sequence[Owned]] | None = None,
        adopted: Collection[tuple[str, str]] = (),
    ) -> None:
        self.state = state
        self.links = links
        self.record = record
        self.store = store
        self.owned = owned or store.owned
        self.adopted = adopted
        self.owners: dict[str, dict[tuple[str, str], set[str]]] = {}
        self.stood_before: dict[str, set[tuple[str, str]]] = {}
        self.started = time.monotonic()
        # Whether ``settle`` is called before anything changes.
        self.may_wait = False
        self._writing: gevent.Greenlet | None = None
        self._pending: gevent.Greenlet | None = None
        self._problem: OSError | None = None

    def open(self, lanes: Sequence[Lane]) -> None:
        """Write the record for the first time: before anything changes."""
        for lane in lanes:
            target = self.record.targets[lane.host.name]
            target.components = {step.component: Component() for step in lane.steps}
        self._save()

    def close(self, status: Status) -> None:
        """Write the record for the last time."""
        if self.record.status == "running":
            self.record.duration_s = round(time.monotonic() - self.started, 1)
            self.record.close(status, now())
            self._save()

    def _save(self) -> None:
        """Write it, and wait for that: lanes that come at the same moment wait for the same."""
        if self._writing is None:
            self._writing = gevent.spawn(self._write)
        if problem := self._writing.get():
            raise problem

    def settle(self) -> None:
        """Write what waits to be written: something is about to change."""
        if self._pending:
            self._save()

    def _save_soon(self) -> None:
        """Write it, within a moment if it may wait; raises what kept it from being written."""
        if not self.may_wait:
            return self._save()
        if self._problem:
            raise self._problem
        if self._pending is None:
            self._pending = gevent.spawn_later(SOON_S, self._flush)

    def _flush(self) -> None:
        self._problem = self._write()

    def _write(self) -> OSError | None:
        """Write what there is by now; returns what kept that from being done."""
        self._writing = None
        if self._pending and self._pending is not gevent.getcurrent():
            self._pending.kill(block=False)
        self._pending = None
        try:
            self.store.save(self.record)
        except OSError as error:
            return error
        return None

    def lane_started(self, lane: Lane) -> None:
        target = self.record.targets[lane.host.name]
        target.status, target.started_at = "running", now()
        owned = self.owned(lane.host.name)
        owners = {(each.kind, each.name): set(each.components) for each in owned}
        # A folder of ours may since have come to be known as one of data.
        places = {each.name for each in owned if each.kind in ("directories", "artifacts")}
        resources = [
            (kind, name) for step in lane.steps for operation in step.operations
            for kind, name, _ in operation.creates
            if (kind, name) not in owners and not (kind == "data" and name in places)
        ]  # fmt: skip
        asked = list(dict.fromkeys(resources))
        found = (
            self.links.asked(lane.host, lambda: lane.host.get_fact(Existing, resources=asked))
            if asked
            else []
        )
        self.owners[lane.host.name] = owners
        self.stood_before[lane.host.name] = {*found} - {*self.adopted}
        self._save()

    def lane_ended(self, lane: Lane, completed: bool) -> None:
        target = self.record.targets[lane.host.name]
        target.status = "completed" if completed else "failed"
        target.completed_at = now()
        try:
            self._read_versions(lane)
            self._read_reports(lane)
        except PyinfraError:
            logger.debug("%s does not tell what it has now", lane.host.name, exc_info=True)
        self._save()

    def _read_versions(self, lane: Lane) -> None:
        components = self.record.targets[lane.host.name].components
        commands = {
            step.component: step.version
            for step in lane.steps
            if components[step.component].status == "completed" and step.version
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
        self._save_soon()

    def step_completed(self, lane: Lane, step: Step) -> None:
        component = self._component(lane, step)
        component.status, component.completed_at = "completed", now()
        self._save_soon()

    def step_skipped(self, lane: Lane, step: Step, reason: str) -> None:
        component = self._component(lane, step)
        component.status, component.reason = "skipped", reason
        self._save_soon()

    def operation_starts(self, lane: Lane, step: Step, operation: Operation) -> None:
        """List what is about to be created first, so that no crash can leave it unlisted."""
        noted = [self._note_created(lane.host.name, *each) for each in operation.creates]
        if any(noted):
            self._save()

    def _note_created(self, target: str, kind: str, name: str, component: str) -> bool:
        """List a resource, unless it is anybody else's, or the component's already."""
        owners, before = self.owners[target], self.stood_before[target]
        if kind == "originals":
            # What is replaced here is the host's own, and is to be put back one day.
            if ("originals", name) not in before or ("files", name) in owners:
                return False
        elif (kind, name) in before and (kind, name) not in owners:
            if kind not in ("files", "directories"):
                return False
            # What packages of ours left there when they went is nobody else's.
            if component not in self._remaining(target):
                return kind == "files" and self._note_original(target, name, component)
        is_new = (kind, name) not in owners
        its = owners.setdefault((kind, name), set())
        if component in its or (its and kind != "packages"):
            return False
        its.add(component)
        record = self.record.targets[target]
        record.components[component].created.append(Resource(kind=kind, name=name))
        if is_new and kind in ResourcesCreated.model_fields:
            names: list[str] = getattr(record.resources_created, kind)
            if name not in names:
                names.append(name)
        return True

    def _remaining(self, target: str) -> set[str]:
        """The components of which something was left when their packages were removed."""
        its = self.owners[target].items()
        return {name for (kind, _), names in its if kind == "remains" for name in names}

    def _note_original(self, target: str, path: str, component: str) -> bool:
        """List that the original of a file that stood there is kept."""
        self.stood_before[target].add(("originals", path))
        return self._note_created(target, "originals", path, component)

    def operation_ended(
        self, lane: Lane, step: Step, operation: Operation, changed: bool, seconds: float
    ) -> None:
        component = self._component(lane, step)
        component.changed += changed
        component.unchanged += not changed
        if operation.removes:
            self._note_removed(lane, step, operation.removes)
            self._save()

    def _note_removed(
        self, lane: Lane, step: Step, removes: Sequence[tuple[str, str, str]]
    ) -> None:
        """List what is gone: of what may have been kept for a reason, the host is asked."""
        doubtful = [(kind, name) for kind, name, _ in removes if kind in KEPT_AT_TIMES]
        try:
            kept = (
                self.links.asked(
                    lane.host, lambda: lane.host.get_fact(Existing, resources=doubtful)
                )
                if doubtful
                else []
            )
        except PyinfraError:
            kept = doubtful
        components = self.record.targets[lane.host.name].components
        for kind, name, component in removes:
            if (kind, name) not in kept:
                # One that has no step of its own any more is spoken for by the one that removes.
                its = components.get(component, components[step.component])
                its.removed.append(Resource(kind=kind, name=name))

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
            self._save()
            return
        target.error = Error(
            stage="deploy",
            message=message,
            component=step.component,
            operation=operation.label if operation else None,
            command=command,
            exit_code=last_exit_code(lane.host) if command else None,
            output=output,
            remedy=f"{remedy_for([message, *output])}; then run this target again: "
            f"{command_for(lane.host.name)}",
        )
        self._save()

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
