"""What the commands print: as wide as the terminal, in colour where there is one to see it."""

import json
import os
import shutil
import sys
import textwrap
from typing import Any

import click

from state.store import Store

# No terminal is narrower, and no text is easy to read that is wider.
_NARROWEST, _WIDEST_TEXT = 20, 110
_INDENT = "  "
COLOURS = {"completed": "green", "failed": "red", "interrupted": "yellow", "running": "cyan"}


def width() -> int:
    """The columns of the terminal, or what COLUMNS says; 80 where nobody says it."""
    return max(shutil.get_terminal_size().columns, _NARROWEST)


def coloured(text: str, colour: str | None) -> str:
    """The text in a colour, if standard output is a terminal and NO_COLOR is not set."""
    wanted = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    return click.style(text, fg=colour) if colour and wanted else text


def clean(text: str) -> str:
    """Without what a terminal would take for commands: it may come from a host."""
    return "".join(char if char.isprintable() else " " for char in text.expandtabs(4))


def say(text: str = "", colour: str | None = None, indent: int = 0) -> None:
    """Lines of text, wrapped to the terminal; what is wrapped goes on below its beginning."""
    margin = _INDENT * indent
    room = min(width(), _WIDEST_TEXT)
    for line in text.split("\n"):
        wrapped = textwrap.wrap(
            clean(line),
            max(room, len(margin) + _NARROWEST),
            initial_indent=margin,
            subsequent_indent=margin + _INDENT,
            break_on_hyphens=False,
            break_long_words=False,
        )
        for each in wrapped or [""]:
            print(coloured(each, colour))


def verbatim(line: str, indent: int = 0) -> None:
    """A line that somebody may want to copy, or that a host printed: never wrapped."""
    print(_INDENT * indent + clean(line))


def say_unverified(store: Store) -> None:
    """Say that nobody could verify who wrote the records, where they are signed."""
    if store.key is None and store.signing.exists:
        say(f"signatures were not verified: {store.without_key or 'there is no key'}", "yellow")


def document(data: Any) -> None:
    """The whole of standard output as JSON."""
    print(json.dumps(data, indent=2, ensure_ascii=False))
