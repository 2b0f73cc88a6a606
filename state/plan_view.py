"""A plan as a person reads it: by target and component, with a last line for each target."""

import textwrap
from collections.abc import Iterator, Sequence
from itertools import groupby

import click

from state.plan import Change, Plan, TargetPlan, Verb

# What stands before a change, and its colour.
SIGNS: dict[Verb, tuple[str, str]] = {
    "create": ("+", "green"),
    "install": ("+", "green"),
    "change": ("~", "yellow"),
    "remove": ("-", "red"),
    "start": ("↻", "cyan"),
    "stop": ("↻", "cyan"),
    "restart": ("↻", "cyan"),
    "reload": ("↻", "cyan"),
    "run": ("▸", "cyan"),
    "wait": ("▸", "cyan"),
}
_DIFF_COLOURS = {"+": "green", "-": "red", "@": "cyan"}
# Of a diff, unless all of it is asked for.
LINES = 40
WIDTH = 90


def lines(plan: Plan, whole: bool) -> Iterator[str]:
    """The plan, line by line. ``whole``: diffs in full length, and of new files as well."""
    for name, target in plan.targets.items():
        yield from _target(name, target, whole)
    width = max(map(len, plan.targets), default=0)
    if plan.changes:
        yield ""
    for name, target in plan.targets.items():
        yield f"    {click.style(name.ljust(width), bold=True)}  {verdict(target)}"


def verdict(target: TargetPlan) -> str:
    """One target in a line, without its name."""
    if target.error:
        return f"cannot be deployed to: {target.error.message}"
    counted = [f"{count} to {name}" for name, count in target.counts.items() if count]
    return ", ".join(counted) or "nothing to do"


def together(changes: Sequence[Change]) -> Iterator[Change]:
    """The same, with packages that are new in one change: there may be many."""
    for is_new, group in groupby(changes, lambda it: it.verb == "install" and not it.old_version):
        if not is_new:
            yield from group
            continue
        its = list(group)
        names = (f"{each.what} {each.new_version}".rstrip() for each in its)
        yield Change(verb="install", what=", ".join(names), operation=its[0].operation)


def described(change: Change) -> str:
    """A change in a line: the verb, what, from which version to which, and why."""
    versions = change.new_version
    if change.old_version:
        versions = f"{change.old_version} → {change.new_version or 'another'}"
    verb = "wait until" if change.verb == "wait" else change.verb
    parts = [verb, change.what, versions, f"({change.why})" if change.why else ""]
    return " ".join(part for part in parts if part)


def shown_diff(change: Change, whole: bool) -> Sequence[str]:
    """The lines of its diff that are shown: of a new file none, unless all is asked for."""
    if whole:
        return change.diff
    if change.verb == "create":
        return []
    left = len(change.diff) - LINES
    more = [f"… {left} more lines; --diff shows them"] if left > 0 else []
    return [*change.diff[:LINES], *more]


def _target(name: str, target: TargetPlan, whole: bool) -> Iterator[str]:
    if not any(target.counts.values()):
        return
    yield ""
    yield f"    {click.style(name, bold=True)}"
    for component, its in target.components.items():
        if its.changes:
            yield f"      {component}"
        for change in together(its.changes):
            sign, colour = SIGNS[change.verb]
            wrapped = textwrap.wrap(described(change), WIDTH, break_long_words=False)
            yield f"        {click.style(sign, fg=colour)} {wrapped[0]}"
            yield from (f"            {line}" for line in wrapped[1:])
            for line in shown_diff(change, whole):
                yield f"            {click.style(line, fg=_DIFF_COLOURS.get(line[:1]))}"
