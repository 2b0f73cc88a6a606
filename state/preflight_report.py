"""What was found out of all targets before anything changes, in one report."""

from collections.abc import Mapping, Sequence
from typing import Any

import click

from configs.findings import Finding
from state import console


def print_report(
    machines: Mapping[str, Mapping[str, Any] | None],
    findings: Mapping[str, Sequence[Finding]],
    notes: Sequence[str] = (),
) -> None:
    """The table of machines, then every finding, target by target, problems first.

    ``machines``: what was detected of each target, None where that could not be asked. ``notes``:
    what else is worth knowing before a deploy.
    """
    bad = {name for name, its in findings.items() if not all(each.warning for each in its)}
    if any(machines.values()):
        console.print_hardware(machines, bad)
    print_findings(findings)
    for note in notes:
        console.say(f"    note: {note}", fg="yellow")


def print_findings(findings: Mapping[str, Sequence[Finding]]) -> None:
    """Every finding, with what was found and expected, and what to do."""
    for target, its in findings.items():
        for each in sorted(its, key=lambda each: each.warning):
            mark, colour = ("!", "yellow") if each.warning else ("✗", "red")
            text = click.style(_clean(str(each)), fg=colour)
            console.say(f"    {click.style(mark, fg=colour)} {_bold(target)}: {text}")
            first, *more = map(_clean, each.remedy.split("\n"))
            console.say(f"      do: {first}")
            for line in more:
                console.say(f"          {line}")
    problems = sum(not each.warning for its in findings.values() for each in its)
    warnings = sum(map(len, findings.values())) - problems
    if problems or warnings:
        counts = [_counted(problems, "problem"), _counted(warnings, "warning")]
        names = ", ".join(name for name, its in findings.items() if its)
        console.say(f"    {' and '.join(filter(None, counts))} on {names}")


def _counted(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}" if count else ""


def _clean(text: str) -> str:
    """Without what a terminal would take for commands: a part of it comes from a host."""
    return "".join(char if char.isprintable() else " " for char in text)


def _bold(text: str) -> str:
    return click.style(text, bold=True)
