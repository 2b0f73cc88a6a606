"""How pyinfra was called, as far as a run must know it."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import click

# It deploys nothing: there is nothing to confirm, and no secret is needed.
PROOF = "verify.py"


class NoTerminal(Exception):
    """pyinfra would ask for a confirmation where nobody can give one."""

    def __str__(self) -> str:
        return "There is no terminal to confirm on: add -y to deploy, or --dry to see the plan."


@dataclass(frozen=True)
class Options:
    """The flags of pyinfra that a run acts on.

    ``deploys``: a deploy file was named, not a command. ``data``: those of ``--data``, unparsed.
    """

    deploys: bool = True
    dry: bool = False
    verbosity: int = 0
    fail_percent: int | None = None
    data: Mapping[str, str] = field(default_factory=dict)


def read() -> Options:
    """The options of the pyinfra command that loads the inventory now. Raises NoTerminal."""
    context = click.get_current_context(silent=True)
    given = context.params if context else {}
    files = [str(item) for item in given.get("operations", ()) if str(item).endswith(".py")]
    deploys = any(Path(file).name != PROOF for file in files)
    asks = deploys and not (given.get("yes") or given.get("dry") or given.get("json_output"))
    if asks and not sys.stdin.isatty():
        raise NoTerminal
    return Options(
        deploys=deploys,
        dry=bool(given.get("dry")),
        verbosity=int(given.get("verbosity") or 0),
        fail_percent=given.get("fail_percent"),
        data=dict(each.split("=", 1) for each in given.get("data", ()) if "=" in each),
    )
