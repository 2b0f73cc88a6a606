"""What a host is asked: questions that can be asked all at once."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pyinfra.api import StringCommand
from pyinfra.connectors.util import make_unix_command

# More than ten times of what both stacks ask.
MOST = 2000
LONGEST = 30_000

# What has one of these is asked alone: its answer is more than what a command prints, or another
# program, a login shell for one, would read the batch itself in its own way.
_OUT_OF_THE_ORDINARY = (
    "_get_pty",
    "_stdin",
    "_timeout",
    "_su_user",
    "_dzdo",
    "_use_sudo_login",
)
_BECOMING = ("_sudo", "_sudo_user", "_preserve_sudo_env", "_doas", "_doas_user")

Way = Annotated[
    tuple[tuple[Literal[_BECOMING], bool | str], ...],  # type: ignore[valid-type]
    Field(max_length=len(_BECOMING)),
]


class Question(BaseModel):
    """One command that reads, whole: folder and environment are part of ``text``.

    ``become``: how it becomes another user, where that is not the host's usual way.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str = Field(max_length=LONGEST)
    shell: str = Field(default="sh", pattern=r"^[\w./-]+$", max_length=100)
    become: Way = ()


class Questions(BaseModel):
    """What one host was asked ``before`` its operations, and ``during`` them."""

    model_config = ConfigDict(extra="forbid")

    version: Literal[1] = 1
    before: list[Question] = Field(default=[], max_length=MOST)
    during: list[Question] = Field(default=[], max_length=MOST)


def question_of(
    command: StringCommand | str, arguments: Mapping[str, Any], usual: Mapping[str, Any]
) -> Question | None:
    """What a fact asks by running this; None for what can only be asked alone.

    ``arguments``: all of pyinfra's; ``usual``: those of the host where nothing else is said.
    """
    if any(arguments.get(each) for each in _OUT_OF_THE_ORDINARY):
        return None
    if (arguments.get("_success_exit_codes") or [0]) != [0]:
        return None
    if arguments.get("_sudo_password") != usual.get("_sudo_password"):
        return None
    shown = command if isinstance(command, StringCommand) else StringCommand(command)
    if shown.get_masked_value() != shown.get_raw_value():
        return None
    text = make_unix_command(
        shown,
        _env=arguments.get("_env"),
        _chdir=arguments.get("_chdir"),
        _shell_executable=None,
    ).get_raw_value()
    way = {each: arguments.get(each) or False for each in _BECOMING}
    usually = {each: usual.get(each) or False for each in _BECOMING}
    try:
        return Question(
            text=text,
            shell=arguments.get("_shell_executable") or "",
            become=() if way == usually else tuple(way.items()),
        )
    except ValidationError:
        return None


def united(first: Iterable[Question], second: Iterable[Question]) -> list[Question]:
    """Both, each once, as many as are remembered."""
    return list(dict.fromkeys([*first, *second]))[:MOST]


def by_way(questions: Sequence[Question]) -> dict[Way, list[Question]]:
    """Those that become another user in the same way, together."""
    found: dict[Way, list[Question]] = {}
    for each in questions:
        found.setdefault(each.become, []).append(each)
    return found
