"""How pyinfra was called, as far as a run must know it."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

import click

from configs import ConfigurationError
from configs.given import ROLLBACK, TEARDOWN, VERIFY, is_yes, names_in, problems_of
from state.record import Action


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
    ``parallel``: how many targets are worked on at the same time; None: all.
    ``limit``, ``exclude``: names of targets or groups, or patterns of names. ``only``, ``skip``:
    the components that a deploy is limited to, and those that it leaves out. ``json``: the result
    goes to standard output, and nobody is asked. ``detailed_exitcode``: a dry run ends with 2 where
    there is something to change. ``plan``, ``junit``: files to write the plan to as Markdown, and
    what was checked as JUnit's XML.
    """

    action: Action | None = "deploy"
    dry: bool = False
    verbosity: int = 0
    fail_percent: int | None = None
    parallel: int | None = None
    data: Mapping[str, str] = field(default_factory=dict)
    limit: Sequence[str] = ()
    exclude: Sequence[str] = ()
    message: str = ""
    lock_wait_s: int = 0
    only: Sequence[str] = ()
    skip: Sequence[str] = ()
    json: bool = False
    yes: bool = False
    detailed_exitcode: bool = False
    plan: Path | None = None
    junit: Path | None = None

    @property
    def makes_plan(self) -> bool:
        """Whether targets are asked what would be changed; a teardown has shown its plan before."""
        asks = not self.yes and self.action != "teardown"
        return self.dry or asks or self.plan is not None

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
    files = [Path(item).name for item in given.get("operations", ()) if str(item).endswith(".py")]
    # What proves changes nothing: there is nothing to confirm, and no secret is needed.
    changes = [name for name in files if name != VERIFY]
    action: Action | None = "deploy" if changes else None
    if ROLLBACK in changes:
        action = "rollback"
    if TEARDOWN in changes:
        action = "teardown"
    dry = bool(given.get("dry") or (given.get("json_output") and not given.get("yes")))
    # A teardown has a confirmation of its own.
    asks = action not in (None, "teardown") and not (dry or given.get("yes"))
    if asks and not sys.stdin.isatty():
        raise NoTerminal
    if files and (problems := problems_of(given.get("data", ()), files)):
        raise ConfigurationError(problems)
    data = dict(each.split("=", 1) for each in given.get("data", ()) if "=" in each)
    return Options(
        action=action,
        dry=dry,
        verbosity=int(given.get("verbosity") or 0),
        fail_percent=given.get("fail_percent"),
        parallel=given.get("parallel"),
        data=data,
        message=data.get("message", ""),
        lock_wait_s=int(data.get("lock_wait", 0)),
        limit=tuple(given.get("limit") or ()),
        exclude=tuple(given.get("exclude") or ()),
        only=tuple(names_in(data, "only")),
        skip=tuple(names_in(data, "skip")),
        json=bool(given.get("json_output")),
        yes=bool(given.get("yes")),
        detailed_exitcode=is_yes(data, "detailed_exitcode"),
        plan=Path(data["plan"]) if "plan" in data else None,
        junit=Path(data["junit"]) if "junit" in data else None,
    )
