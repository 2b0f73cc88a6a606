"""A plan put before whoever runs this: shown, written down, and confirmed."""

import sys
from collections.abc import Callable

import click

from state import plan_markdown, plan_view
from state.console import say
from state.options import Options
from state.plan import Plan


def propose(plan: Plan, options: Options, whole: bool, scrub: Callable[[str], str]) -> None:
    """Show the plan, as JSON where that is asked for; and write its Markdown, if that is.

    ``whole``: with all diffs. ``scrub``: takes secrets out of a text. Raises OSError.
    """
    if options.plan:
        options.plan.write_text(scrub(plan_markdown.text(plan)))
    if options.json and options.dry:
        click.echo(plan.model_dump_json(indent=2))
        return
    say("--> Plan:", fg="blue", bold=True)
    for line in plan_view.lines(plan, whole):
        say(line)


def is_confirmed() -> bool:
    """Whether Enter is pressed, and nothing else typed, on what was shown."""
    say()
    say("    Enter goes on with this; anything else leaves everything as it is.")
    return sys.stdin.readline() == "\n"


def exit_code(plan: Plan, detailed: bool) -> int:
    """That of a dry run: 1 where a target failed; ``detailed``: 2 where there are changes."""
    if any(target.error for target in plan.targets.values()):
        return 1
    return 2 if detailed and plan.changes else 0
