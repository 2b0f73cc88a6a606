"""The command that does the same again, for one target."""

import os
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

_CHOOSING = ("--limit", "--exclude")
INVENTORY = "CHOM_INVENTORY"


def command_for(
    target: str, argv: Sequence[str] = sys.argv, environ: Mapping[str, str] = os.environ
) -> str:
    """The command of this process as one types it, but with ``--limit`` to one target."""
    program = Path(argv[0]).name
    words = ["python", "-m", "pyinfra"] if program == "__main__.py" else [program]
    rest = list(_without_choice(argv[1:]))
    files = [position for position, each in enumerate(rest) if each.endswith(".py")]
    end = max(files, default=-1) + 1
    prefix = f"{INVENTORY}={shlex.quote(environ[INVENTORY])} " if environ.get(INVENTORY) else ""
    return prefix + shlex.join([*words, *rest[:end], "--limit", target, *rest[end:]])


def _without_choice(arguments: Sequence[str]) -> Iterator[str]:
    rest = iter(arguments)
    for each in rest:
        if each in _CHOOSING:
            next(rest, None)
        elif not each.startswith(tuple(f"{name}=" for name in _CHOOSING)):
            yield each
