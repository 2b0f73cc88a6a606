"""How pyinfra was called, as far as a run must know it."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import click

from state.record import Action

# It changes nothing: there is nothing to confirm, and no secret is needed.
PROOF = "verify.py"
# It makes nothing that would need one.
ROLLBACK = "rollback.py"


class NoTerminal(Exception):
    """pyinfra would ask for a confirmation where nobody can give one."""

    def __str__(self) -> str:
        return "There is no terminal to confirm on: add -y to deploy, or --dry to see the plan."


@dataclass(frozen=True)
class Options:
    """The flags of pyinfra that a run acts on.

    ``action``: what is done to the targets, as the record has it; None: nothing that is recorded.
    ``data``: those of ``--data``, unparsed.
    """

    action: Action | None = "deploy"
    dry: bool = False
    verbosity: int = 0
    fail_percent: int | None = None
    data: Mapping[str, str] = field(default_factory=dict)


def read() -> Options:
    """The options of the pyinfra command that loads the inventory now. Raises NoTerminal."""
    context = click.get_current_context(silent=True)
    given = context.params if context else {}
    files = [str(item) for item in given.get("operations", ()) if str(item).endswith(".py")]
    changes = [Path(file).name for file in files if Path(file).name != PROOF]
    action: Action | None = "rollback" if ROLLBACK in changes else "deploy" if changes else None
    asks = action and not (given.get("yes") or given.get("dry") or given.get("json_output"))
    if asks and not sys.stdin.isatty():
        raise NoTerminal
    return Options(
        action=action,
        dry=bool(given.get("dry")),
        verbosity=int(given.get("verbosity") or 0),
        fail_percent=given.get("fail_percent"),
        data=dict(each.split("=", 1) for each in given.get("data", ()) if "=" in each),
    )
