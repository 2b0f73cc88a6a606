"""How pyinfra was called, as far as a run must know it."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

import click

from configs import ConfigurationError, Problem
from state.record import Action

# It changes nothing: there is nothing to confirm, and no secret is needed.
PROOF = "verify.py"
# These make nothing that would need one.
ROLLBACK, TEARDOWN = "rollback.py", "teardown.py"
LONGEST_MESSAGE = 200
LONGEST_WAIT_S = 24 * 3600


class NoTerminal(Exception):
    """pyinfra would ask for a confirmation where nobody can give one."""

    def __str__(self) -> str:
        return "There is no terminal to confirm on: add -y to deploy, or --dry to see the plan."


@dataclass(frozen=True)
class Options:
    """The flags of pyinfra that a run acts on.

    ``action``: what is done to the targets, as the record has it; None: nothing that is recorded.
    ``data``: those of ``--data``, unparsed. ``message``: the deployer's words on what is done.
    ``lock_wait_s``: for how long to wait for another deploy to end, in seconds.
    ``limit``, ``exclude``: names of targets or groups, or patterns of names.
    """

    action: Action | None = "deploy"
    dry: bool = False
    verbosity: int = 0
    fail_percent: int | None = None
    data: Mapping[str, str] = field(default_factory=dict)
    limit: Sequence[str] = ()
    exclude: Sequence[str] = ()
    message: str = ""
    lock_wait_s: int = 0

    def leave(self, name: str, role: str) -> bool:
        """Whether ``--limit`` and ``--exclude`` leave a target, as pyinfra understands them."""

        def among(patterns: Sequence[str]) -> bool:
            return any(each == role or fnmatch(name, each) for each in patterns)

        return (not self.limit or among(self.limit)) and not among(self.exclude)


def read() -> Options:
    """The options of the pyinfra command that loads the inventory now.

    Raises NoTerminal, and ConfigurationError for what makes no sense.
    """
    context = click.get_current_context(silent=True)
    given = context.params if context else {}
    files = [str(item) for item in given.get("operations", ()) if str(item).endswith(".py")]
    changes = [Path(file).name for file in files if Path(file).name != PROOF]
    action: Action | None = "deploy" if changes else None
    if ROLLBACK in changes:
        action = "rollback"
    if TEARDOWN in changes:
        action = "teardown"
    dry = bool(given.get("dry") or (given.get("json_output") and not given.get("yes")))
    # A teardown has a confirmation of its own.
    asks = action not in (None, "teardown") and not (
        given.get("yes") or given.get("dry") or given.get("json_output")
    )
    if asks and not sys.stdin.isatty():
        raise NoTerminal
    data = dict(each.split("=", 1) for each in given.get("data", ()) if "=" in each)
    problems = [*_wrong_message(data), *_wrong_wait(data)]
    if problems:
        raise ConfigurationError(problems)
    return Options(
        action=action,
        dry=dry if action == "teardown" else bool(given.get("dry")),
        verbosity=int(given.get("verbosity") or 0),
        fail_percent=given.get("fail_percent"),
        data=data,
        message=data.get("message", ""),
        lock_wait_s=int(data.get("lock_wait", 0)),
        limit=tuple(given.get("limit") or ()),
        exclude=tuple(given.get("exclude") or ()),
    )


def _wrong_message(data: Mapping[str, str]) -> Iterator[Problem]:
    text = data.get("message", "")
    if len(text) > LONGEST_MESSAGE or not text.isprintable():
        found = f"{len(text)} characters" if text.isprintable() else "more than one line"
        expected = f"one line of at most {LONGEST_MESSAGE} characters"
        yield Problem("--data", "message", found, expected, "make it shorter")


def _wrong_wait(data: Mapping[str, str]) -> Iterator[Problem]:
    text = data.get("lock_wait", "0")
    if not text.isdecimal() or int(text) > LONGEST_WAIT_S:
        expected = f"a number of seconds, at most {LONGEST_WAIT_S}"
        remedy = "say for how long to wait for another deploy to end: --data lock_wait=300"
        yield Problem("--data", "lock_wait", f'"{text}"', expected, remedy)
