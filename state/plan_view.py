"""A plan as a person reads it: the counts first, then what is done by target and component."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

import click

from state import release_view
from state.plan import Change, Plan, TargetPlan, Verb, count

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
# More of one target are counted by component, unless all is asked for.
MAX_CHANGES = 40
WIDTH = 90


def lines(plan: Plan, whole: bool) -> Iterator[str]:
    """The plan, line by line. ``whole``: every change, and diffs in full length."""
    width = max(map(len, plan.targets), default=0)
    for name, target in plan.targets.items():
        yield f"    {click.style(name.ljust(width), bold=True)}  {verdict(target)}{leading(target)}"
    folded = [name for name, target in plan.targets.items() if not whole and _is_long(target)]
    for name, target in plan.targets.items():
        yield from _target(name, target, whole, folded=name in folded)
    if folded:
        yield ""
        yield "    What is new is counted here; --diff shows every change."


def _is_long(target: TargetPlan) -> bool:
    return sum(target.counts.values()) > MAX_CHANGES


def verdict(target: TargetPlan) -> str:
    """One target in a line, without its name."""
    if target.error:
        return f"cannot be deployed to: {target.error.message}"
    return counted(target.counts) or "nothing to do"


def counted(counts: Mapping[str, int]) -> str:
    """Counts in words; an empty text where there is nothing."""
    return ", ".join(f"{number} to {name}" for name, number in counts.items() if number)


def leading(target: TargetPlan) -> str:
    """Where its address really leads, to stand behind a line about it."""
    return f" ({target.address} leads {target.leads})" if target.leads else ""


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
    why = release_view.summary(change.release) if change.release else change.why
    parts = [verb, change.what, versions, f"({why})" if why else ""]
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


def _target(name: str, target: TargetPlan, whole: bool, folded: bool) -> Iterator[str]:
    if not any(target.counts.values()):
        return
    yield ""
    yield f"    {click.style(name, bold=True)}"
    for component, its in target.components.items():
        if not its.changes:
            continue
        shown = [each for each in its.changes if not folded or _is_telling(each)]
        quiet = counted(count(each for each in its.changes if each not in shown))
        yield f"      {component}" + (f": {quiet}" if quiet else "")
        for change in together(shown):
            yield from _change(change, whole)


def _is_telling(change: Change) -> bool:
    """Whether a change is of what is there already, or of an application: it is never folded."""
    return change.verb in ("change", "remove", "stop") or change.release is not None


def _change(change: Change, whole: bool) -> Iterator[str]:
    sign, colour = SIGNS[change.verb]
    wrapped = textwrap.wrap(described(change), WIDTH, break_long_words=False)
    yield f"        {click.style(sign, fg=colour)} {wrapped[0]}"
    yield from (f"            {line}" for line in wrapped[1:])
    if change.release:
        yield from (f"            {line}" for line in release_view.lines(change.release, whole))
    for line in shown_diff(change, whole):
        yield f"            {click.style(line, fg=_DIFF_COLOURS.get(line[:1]))}"
