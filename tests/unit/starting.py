"""The start of pyinfra with our inventory, in this process, up to where it would connect."""

import io
import os
import signal
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import CodeType
from typing import Any
from unittest import mock

import click
from pyinfra_cli.cli import cli

from configs import PROJECT
from state import seam
from state.scrubbing import Scrubber

# What pyinfra itself executes before it connects, in this order.
FILES = ("config.py", "inventory.py")


@dataclass(frozen=True)
class Start:
    """How it went: the exit code, None where it would go on and connect; and what was said."""

    code: int | None
    text: str


class Connected(AssertionError):
    """Something was asked of a network."""


def start(arguments: Sequence[str], environ: Mapping[str, str]) -> Start:
    """``pyinfra inventory.py ARGUMENTS`` with this environment and no terminal.

    Raises whatever would end in a traceback, and Connected.
    """
    said = io.StringIO()
    handler = signal.getsignal(signal.SIGINT)
    with ExitStack() as stack:
        stack.enter_context(redirect_stderr(said))
        stack.enter_context(redirect_stdout(said))
        stack.enter_context(mock.patch.dict(os.environ, environ, clear=True))
        stack.enter_context(mock.patch.object(sys, "stdin", io.StringIO()))
        stack.enter_context(_no_network())
        # This checkout may have a history, signed with another key than the one of a test.
        folder = stack.enter_context(TemporaryDirectory())
        for place in ("state.store.FOLDER", "state.run.FOLDER"):
            stack.enter_context(mock.patch(place, f"{folder}/.deploy-state"))
        # What changes pyinfra and the streams of a whole process.
        stack.enter_context(mock.patch.object(seam, "install"))
        stack.enter_context(mock.patch.object(seam, "scrub_crash_report"))
        stack.enter_context(mock.patch.object(Scrubber, "guard_streams"))
        try:
            _start(arguments)
        except click.UsageError as error:
            return Start(error.exit_code, f"{said.getvalue()}{error.format_message()}")
        except SystemExit as end:
            return Start(int(end.code or 0), said.getvalue())
        finally:
            signal.signal(signal.SIGINT, handler)
    return Start(None, said.getvalue())


def _start(arguments: Sequence[str]) -> None:
    with cli.make_context("pyinfra", ["inventory.py", *arguments]) as context, context.scope():
        for code in _CODES:
            exec(code, {"__file__": code.co_filename})


def _compiled(path: Path) -> CodeType:
    return compile(path.read_text(), str(path), "exec")


_CODES = [_compiled(PROJECT / name) for name in FILES]


@contextmanager
def _no_network() -> Iterator[None]:
    def refuse(*arguments: Any, **options: Any) -> Any:
        raise Connected(arguments)

    with ExitStack() as stack:
        for name in ("connect", "connect_ex", "sendto"):
            stack.enter_context(mock.patch.object(socket.socket, name, refuse))
        for name in ("getaddrinfo", "gethostbyname", "create_connection"):
            stack.enter_context(mock.patch.object(socket, name, refuse))
        yield
