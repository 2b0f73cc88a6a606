"""The last words of a run: the cause first where it failed, then what was done and what is next."""

import textwrap
from collections.abc import Iterable, Mapping

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
    width = max(map(len, record.targets), default=0)
    for name in record.targets:
        say(f"    {name.ljust(width)}  {found.line(name)}")
    for name in record.targets:
        _list(f"{name.ljust(width)}  changed: ", found.changes(name))
    for name, versions in found.versions.items():
        _list(f"{name.ljust(width)}  versions: ", versions)
    for name, told in found.releases:
        say(f"    {name.ljust(width)}  {told}")
    if (record.duration_s or 0) >= LONG_RUN_S:
        _print_slowest(found, width)
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


def _print_slowest(found: Outcome, width: int) -> None:
    for each in found.timings.slowest(SLOWEST, LONG_OPERATION_S):
        say(f"    {each.target.ljust(width)}  took {each.seconds:.1f} s:"
            f" {each.component} | {each.label}")  # fmt: skip


def _list(label: str, items: Iterable[str]) -> None:
    if text := ", ".join(items):
        indent = " " * (4 + len(label))
        whole = f"    {label}{text}"
        lines = textwrap.wrap(
            whole, WIDTH, subsequent_indent=indent, drop_whitespace=True, break_long_words=False,
            break_on_hyphens=False,
        )  # fmt: skip
        for line in lines:
            say(line)
