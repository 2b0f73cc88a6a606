"""What a person sees of a run: the table of machines, what happens, and what came of it.

Everything goes to standard error, so that ``--json`` leaves standard output to pyinfra.
"""

import itertools
import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import gevent

from state.graph import Node
from state.held import Held
from state.lanes import Lane, Observer, Operation, Step
from state.record import Error, Record, Release

SLOW_S = 2.0
_ACTIONS = {"deploy": "Deployment", "rollback": "Rollback", "teardown": "Teardown"}
HEARTBEAT_S = 15


def say(text: str = "", **style: Any) -> None:
    """One line to standard error."""
    click.echo(click.style(text, **style) if style else text, err=True)


def print_hardware(machines: Mapping[str, Mapping[str, Any] | None], bad: set[str]) -> None:
    """The table of what was detected: a tick for a machine that is fit, a cross for one not."""
    header = ("Target", "vCPU", "RAM(MB)", "Disk(GB)", "Free(GB)", "System", "")
    rows: list[tuple[str, ...]] = [header]
    for name, found in machines.items():
        if found is None:
            rows.append((name, "?", "?", "?", "?", "?", "✗"))
        else:
            sizes = [str(found[key]) for key in ("cpu", "memory_mb", "disk_gb", "disk_free_gb")]
            system = f"{found['os']} {found['architecture']}"
            rows.append((name, *sizes, system, "✗" if name in bad else "✓"))
    widths = [max(len(row[i]) for row in rows) for i in range(len(header))]
    rule = "─" * (sum(widths) + 2 * len(widths) + 1)
    say()
    say(f"    ┌{rule}┐")
    for row in rows:
        cells = [
            cell.rjust(width) if 1 <= i <= 4 else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        say(f"    │ {'  '.join(cells)}  │")
        if row is header:
            say(f"    ├{rule}┤")
    say(f"    └{rule}┘")


def print_failure(target: str, error: Error) -> None:
    """Why a target was left out or failed, and what to do."""
    where = " · ".join(part for part in (error.component, error.operation) if part)
    say()
    say(f"--> {target} failed ({error.stage}){': ' + where if where else ''}", fg="red", bold=True)
    say(f"    {error.message}", fg="red")
    for line in error.output:
        say(f"    | {line}")
    if error.remedy:
        say(f"    do: {error.remedy}")


def print_check(target: str, name: str, problem: str, remedy: str) -> None:
    """One thing that was verified, or why it could not be, and what to do."""
    if not problem:
        say(f"    {click.style(target, bold=True)}  {click.style('✓', fg='green')} {name}")
        return
    say(f"    {click.style(target, bold=True)}  {click.style(f'✗ {name}: {problem}', fg='red')}")
    say(f"      do: {remedy}")


def print_refusal(message: str, remedy: str) -> None:
    """Why nothing was begun, and what to do."""
    say(f"--> Nothing was changed: {message}", fg="red", bold=True)
    say(f"    do: {remedy}")


def print_wait(held: Held) -> None:
    """Who has what is waited for."""
    say(f"    waiting: {held}", fg="yellow")


def print_interrupted(under_way: Sequence[str] | None, grace_s: int) -> None:
    """What happens after a signal. ``under_way``: what still is; None before anything began."""
    if under_way is None:
        text = "stopping here; run it again to go on"
    else:
        text = "nothing new is begun; run it again to go on"
        if under_way:
            text += f" (up to {grace_s} s for {', '.join(under_way)}; once more leaves at once)"
    say(f"--> Interrupted: {text}", fg="yellow", bold=True)


class Quiet(logging.Filter):
    """Keeps pyinfra's line per operation away, unless it was asked for with ``-v``."""

    def __init__(self, verbosity: int) -> None:
        super().__init__()
        self.verbosity = verbosity

    def filter(self, record: logging.LogRecord) -> bool:
        text = str(record.msg)
        noise = any(word in text for word in ("Success", "No changes"))
        # What a command prints when it fails comes as an error, whatever words are in it.
        return self.verbosity > 0 or record.levelno > logging.INFO or not noise


class NoAdvice(logging.Filter):
    """Keeps away pyinfra's advice about host keys: ours has the target's own file and port."""

    def filter(self, record: logging.LogRecord) -> bool:
        beginnings = (
            "WARNING: REMOTE HOST IDENT",
            "Someone could be eavesdropping",
            "If this is expected, you can remove",
            "    ssh-keygen -R",
            "No host key for",
        )
        return not str(record.msg).startswith(beginnings)


class Console(Observer):
    """Prints one line when a component starts to work for long, changes something, or ends."""

    def __init__(self, names: Sequence[str], every_operation: bool) -> None:
        self.width = max(map(len, names), default=0)
        self.every_operation = every_operation
        self.started: dict[tuple[str, str], float] = {}
        self.counts: dict[tuple[str, str], list[int]] = {}
        self.heartbeats: dict[str, gevent.Greenlet] = {}

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
        self.heartbeats[lane.host.name] = gevent.spawn(self._beat, lane, label)

    def _beat(self, lane: Lane, label: str) -> None:
        """Say now and then that what takes long still goes on."""
        for seconds in itertools.count(HEARTBEAT_S, HEARTBEAT_S):
            gevent.sleep(HEARTBEAT_S)
            self._line(lane, f"  {label}: {seconds} s so far …")

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
        say(f"    {click.style(lane.host.name.ljust(self.width), bold=True)}  {text}")


def print_summary(
    record: Record, path: Path, urls: Mapping[str, Sequence[str]], warnings: Sequence[str]
) -> None:
    """What a run did, how long it took, where its record is and where to look next."""
    colour = {"completed": "green", "failed": "red"}.get(record.status, "yellow")
    say()
    say(
        f"--> {_ACTIONS[record.action]} {record.deployment_id} {record.status}"
        f" in {record.duration_s} s",
        fg=colour,
        bold=True,
    )
    width = max(map(len, record.targets), default=0)
    for name, target in record.targets.items():
        done = [item for item in target.components.values() if item.status == "completed"]
        changed = sum(item.changed for item in target.components.values())
        say(
            f"    {name.ljust(width)}  {target.status}: {len(done)} of {len(target.components)}"
            f" components, {changed} changes"
        )
    for name, target in record.targets.items():
        if target.error:
            print_failure(name, target.error)
    for name, target in record.targets.items():
        for component in target.components.values():
            for release in component.releases:
                say(f"    {name.ljust(width)}  {_told(release, record.started_at)}")
    for warning in warnings:
        say(f"    note: {warning}", fg="yellow")
    say(f"    record: {path}")
    for name, addresses in urls.items():
        if record.targets[name].status == "completed":
            for address in addresses:
                say(f"    look at: {address}")


def _told(release: Release, since: str) -> str:
    """What serves of an application, in a line; and what was done to it ``since``."""
    text = f"{release.app}: {release.release or 'no release'}"
    last = release.last if release.last and release.last.at >= since else None
    if last and last.event == "bad":
        text += f"; {last.release} is bad: {last.step}"
    if last and last.dump:
        text += f"; to have the database as before: zcat {last.dump} | mariadb {release.app}"
    return text
