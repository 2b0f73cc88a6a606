"""What cannot be undone is confirmed by name: typed, or given where nobody can type."""

import sys
from collections.abc import Mapping, Sequence

import click

KEY = "yes_teardown"


class NotConfirmed(Exception):
    """What was to be confirmed was not, or something else was."""


def confirm(names: Sequence[str], data: Mapping[str, str], done: Sequence[str] = ()) -> None:
    """Have the name of each target typed, unless ``--data yes_teardown=`` names them all.

    It may also name targets where all is ``done``: the same command goes on after an interruption.
    Raises NotConfirmed.
    """
    if KEY in data:
        given = {name for each in data[KEY].split(",") if (name := each.strip())}
        if not set(names) <= given <= {*names, *done}:
            raise NotConfirmed(
                f"{KEY} names {_listed(given)}, but {_listed(names)} would go; nothing"
                f" was changed. Confirm it by --data {KEY}={','.join(names)}, or choose by --limit."
            )
        return
    if not sys.stdin.isatty():
        raise NotConfirmed(
            "There is no terminal to confirm on; nothing was changed. Add --data"
            f" {KEY}={','.join(names)} to tear down, or --dry to see the plan."
        )
    for name in names:
        typed = click.prompt(f'    type "{name}" to tear it down', default="", show_default=False,
                             err=True)  # fmt: skip
        if typed.strip() != name:
            raise NotConfirmed(f'"{typed}" is not {name}: nothing was changed')


def _listed(names: Sequence[str] | set[str]) -> str:
    return ", ".join(sorted(names)) or "nothing"
