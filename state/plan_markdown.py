"""A plan as a comment for a pull request: Markdown that GitHub and GitLab show alike."""

from collections.abc import Iterator

from state import release_view
from state.plan import Change, Plan, TargetPlan
from state.plan_view import described, leading, shown_diff, together, verdict

# GitHub takes no comment that is longer than 65,536 characters.
LONGEST = 60_000


def text(plan: Plan) -> str:
    """The document; diffs that would make it too long for a comment are left out, and that said."""
    whole = "\n".join(_document(plan, diffs=True)) + "\n"
    if len(whole) <= LONGEST:
        return whole
    short = "\n".join(_document(plan, diffs=False))
    cut = short[:LONGEST].rpartition("\n")[0] if len(short) > LONGEST else short
    return f"{cut}\n\nThe diffs are too long for a comment; the job's log has them.\n"


def _document(plan: Plan, diffs: bool) -> Iterator[str]:
    if plan.changes:
        yield f"## Plan of the {plan.action}: {_counted(plan.changes)}"
    else:
        yield f"## Plan of the {plan.action}: nothing to do"
    yield ""
    yield "| target | what |"
    yield "| --- | --- |"
    for name, target in plan.targets.items():
        yield f"| {name} | {_cell(verdict(target) + leading(target))} |"
    for name, target in plan.targets.items():
        if any(target.counts.values()):
            yield from _target(name, target, diffs)


def _target(name: str, target: TargetPlan, diffs: bool) -> Iterator[str]:
    yield from ("", "<details>", f"<summary>{name}</summary>", "")
    for component, its in target.components.items():
        if its.changes:
            yield from (f"**{component}**", "")
            for change in together(its.changes):
                yield f"- {_escaped(described(change))}"
                if change.release:
                    told = release_view.lines(change.release, whole=False)
                    yield from (f"  - {_escaped(line)}" for line in told)
                if diffs:
                    yield from _diff(change)
            yield ""
    yield "</details>"


def _diff(change: Change) -> Iterator[str]:
    """A fenced block in the list; its fence is longer than any in the text."""
    shown = shown_diff(change, whole=False)
    if not shown:
        return
    fence = "```"
    while any(fence in line for line in shown):
        fence += "`"
    yield from ("", f"  {fence}diff", *(f"  {line}" for line in shown), f"  {fence}", "")


def _counted(changes: int) -> str:
    return "1 change" if changes == 1 else f"{changes} changes"


def _escaped(line: str) -> str:
    """Text that means itself: no emphasis, no HTML, no link, no reference to a person."""
    for sign in "\\`*_[]<>#|~":
        line = line.replace(sign, f"\\{sign}")
    return line.replace("@", "@&#8203;")


def _cell(line: str) -> str:
    return _escaped(line.replace("\n", " "))
