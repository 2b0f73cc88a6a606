"""What is remembered of a host: only what can be asked again, whole or not at all."""

from typing import Any

import pytest
from pyinfra.api import Host, StringCommand
from pyinfra.api.hiddenvalue import HiddenValue

from state.connection import usual_arguments
from state.questions import (
    LONGEST,
    MOST,
    Question,
    question_of,
    united,
)
from tests.unit.helpers import fake_state


@pytest.fixture
def host() -> Host:
    found: Host = fake_state(["web"]).inventory.get_host("@fake/web")
    return found


def asked(host: Host, command: Any = "id", **arguments: Any) -> Question | None:
    usual = usual_arguments(host)
    return question_of(command, {**usual, **arguments}, usual)


def test_a_question_is_the_whole_command(host: Host) -> None:
    assert asked(host) == Question(text="id")
    assert asked(host, StringCommand("id", "-u")) == Question(text="id -u")
    assert asked(host, _chdir="/a b") == Question(text="cd '/a b' && id")
    assert asked(host, _env={"A": "b c"}) == Question(text="export 'A=b c' && id")
    assert asked(host, _shell_executable="bash") == Question(text="id", shell="bash")
    ways = [asked(host), asked(host, _sudo=True), asked(host, _sudo=True, _sudo_user="www-data")]
    assert None not in ways and len(set(ways)) == 3
    assert asked(host, _success_exit_codes=[0], _timeout=None, _get_pty=False) == asked(host)


@pytest.mark.parametrize(
    "arguments",
    [
        {"_get_pty": True},
        {"_stdin": "something"},
        {"_timeout": 5},
        {"_success_exit_codes": [0, 1]},
        {"_su_user": "bob"},
        {"_dzdo": True},
        {"_sudo": True, "_use_sudo_login": True},
        {"_sudo": True, "_sudo_password": "one of its own"},
        {"_shell_executable": None},
        {"_shell_executable": "sh -e"},
        {"command": "x" * (LONGEST + 1)},
        {"command": "echo \udcff"},
        {"command": StringCommand("login", HiddenValue("hidden"))},
    ],
    ids=lambda arguments: " ".join(arguments) + str(len(str(arguments))),
)
def test_what_cannot_be_asked_with_others_is_no_question(
    host: Host, arguments: dict[str, Any]
) -> None:
    assert asked(host, **arguments) is None


def test_no_more_are_asked_than_there_may_be() -> None:
    assert len(united((Question(text=f"{n}") for n in range(2 * MOST)), ())) == MOST
