"""The last words of a run: the cause first where it failed, then what was done and what is next."""

import shutil
from collections.abc import Iterable, Mapping

from state.columns import width
from state.console import print_failure, say
from state.outcome import Outcome

# Shorter runs and shorter operations need no explanation.
LONG_RUN_S, LONG_OPERATION_S = 5.0, 0.5
SLOWEST = 5
WIDTH = 100
# Component → the secret that one logs in with.
PASSWORDS = {"grafana": "GRAFANA_ADMIN_PASSWORD"}
_COLOURS = {"completed": "green", "failed": "red"}


def print_summary(found: Outcome, again: Mapping[str, str]) -> None:
    """All of it; ``again``: target → the command that does the same again for it alone."""
    record = found.record
    for name, target in record.targets.items():
        if target.error:
            print_failure(name, target.error)
            if again[name] not in (target.error.remedy or ""):
                say(f"    again: {again[name]}")
    say()
    say(
        f"--> {found.title} in {record.duration_s} s",
        fg=_COLOURS.get(record.status, "yellow"),
        bold=True,
    )
    names = max(map(len, record.targets), default=0)
    for name in record.targets:
        say(f"    {name.ljust(names)}  {found.line(name)}")
    for name in record.targets:
        _list(f"{name.ljust(names)}  changed: ", found.changes(name))
    for name, versions in found.versions.items():
        _list(f"{name.ljust(names)}  versions: ", versions)
    for name, told in found.releases:
        say(f"    {name.ljust(names)}  {told}")
    if (record.duration_s or 0) >= LONG_RUN_S:
        _print_slowest(found, names)
    for warning in found.warnings:
        say(f"    note: {warning}", fg="yellow")
    say(f"    record: {found.path}")
    if found.changed:
        for address in found.looks:
            say(f"    look at: {address}")
        for secret in _passwords(found):
            say(f"    password: python -m configs secrets get {secret}")
    if record.action == "deploy":
        say("    next: pyinfra inventory.py verify.py; python -m state show current")


def _passwords(found: Outcome) -> list[str]:
    deployed = {
        name
        for target in found.record.targets.values()
        for name, component in target.components.items()
        if component.status == "completed"
    }
    return [secret for component, secret in PASSWORDS.items() if component in deployed]


def _print_slowest(found: Outcome, names: int) -> None:
    for each in found.timings.slowest(SLOWEST, LONG_OPERATION_S):
        say(f"    {each.target.ljust(names)}  took {each.seconds:.1f} s:"
            f" {each.component} | {each.label}")  # fmt: skip


def _list(label: str, items: Iterable[str]) -> None:
    """Items after a label, in as many lines as they need; none without any."""
    columns = min(WIDTH, shutil.get_terminal_size((WIDTH, 24)).columns)
    lines: list[str] = []
    for item in items:
        if lines and width(lines[-1]) + width(item) + 2 <= columns:
            lines[-1] += f" {item},"
        else:
            start = " " * width(label) if lines else label
            lines.append(f"    {start}{item},")
    for line in lines[:-1]:
        say(line)
    for line in lines[-1:]:
        say(line.removesuffix(","))
