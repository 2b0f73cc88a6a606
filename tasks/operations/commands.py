"""What an operation is to Python: a generator of the commands that it needs."""

from collections.abc import Generator

from pyinfra.api import StringCommand

Commands = Generator[StringCommand, None, None]
