"""Command lines as Go's flag package reads them: `-name value`, `-name=value`, one dash or two."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


class FlagError(Exception):
    """The command line is wrong."""


def parse(
    arguments: Sequence[str], switches: Iterable[str], values: Iterable[str]
) -> tuple[dict[str, str], list[str]]:
    """The flags by name, and what is not a flag.

    Args:
        arguments: The command line without the program.
        switches: Names of flags that need no value; theirs is `true`.
        values: Names of flags that do.

    Raises:
        FlagError: A flag is not known, or has no value.
    """
    found: dict[str, str] = {}
    others: list[str] = []
    switches, values = set(switches), set(values)
    left = list(arguments)
    while left:
        word = left.pop(0)
        if not word.startswith("-") or word == "-":
            others.append(word)
            continue
        name, equals, value = word.lstrip("-").partition("=")
        if name in switches:
            found[name] = value if equals else "true"
        elif name not in values:
            raise FlagError(f"flag provided but not defined: -{name}")
        elif equals:
            found[name] = value
        elif left:
            found[name] = left.pop(0)
        else:
            raise FlagError(f"flag needs an argument: -{name}")
    return found, others


def is_on(found: dict[str, str], name: str) -> bool:
    """Whether a switch is there and not turned off."""
    return found.get(name, "false") not in ("false", "0")
