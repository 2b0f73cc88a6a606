"""What an operation would do to a host: told while a plan is made, at no other time."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Literal

from facts.previews import ReleaseChange

# The same as in a published plan (state/plan.py).
Verb = Literal[
    "create", "change", "remove", "install", "start", "stop", "restart", "reload", "run", "wait"
]


@dataclass(frozen=True)
class Effect:
    """One thing that would be done: the verb, and to what.

    ``why``: what it is done for, where that is not the thing itself. ``diff``: the lines of a
    unified diff. ``old``, ``new``: versions of a package, as far as they are known. ``release``:
    what comes with a release of an application.
    """

    verb: Verb
    what: str
    why: str = ""
    diff: tuple[str, ...] = ()
    old: str = ""
    new: str = ""
    release: ReleaseChange | None = None


_told: ContextVar[list[Effect] | None] = ContextVar("told", default=None)


@contextmanager
def listening() -> Iterator[list[Effect]]:
    """Yields the list of what is told in the block."""
    told: list[Effect] = []
    token = _told.set(told)
    try:
        yield told
    finally:
        _told.reset(token)


def is_listening() -> bool:
    """Whether anybody wants to know: what is asked for that alone can be saved otherwise."""
    return _told.get() is not None


def tell(
    verb: Verb,
    what: str,
    why: str = "",
    diff: tuple[str, ...] = (),
    old: str = "",
    new: str = "",
    release: ReleaseChange | None = None,
) -> None:
    """Tell an effect; an operation does so before its first command."""
    if (told := _told.get()) is not None:
        told.append(Effect(verb, what, why, diff, old, new, release))
