"""What a person sees of a run: lines, the table of machines, refusals and failures.

Everything goes to standard error, so that ``--json`` leaves standard output to pyinfra.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import click

from state.columns import coloured, printable
from state.held import Held
from state.record import Error


def say(text: str = "", **style: Any) -> None:
    """One line to standard error; nothing in it moves the cursor."""
    text = coloured(text)
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
        say(f"    | {printable(line)}")
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
