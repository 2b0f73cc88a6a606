"""What an operation is to Python: a generator of the commands that it needs."""

from collections.abc import Generator, Sequence

from pyinfra.api import StringCommand

from facts.shell import sh

Commands = Generator[StringCommand, None, None]


def failing(lines: Sequence[str]) -> StringCommand:
    """A command that says ``lines`` and fails."""
    return StringCommand(sh("printf '%s\\n' {lines} >&2; exit 1", lines=[*lines]))
