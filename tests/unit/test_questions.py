"""What is remembered of a host: only what can be asked again, whole or not at all."""

from pathlib import Path
from typing import Any

import pytest
from pyinfra.api import Host, StringCommand
from pyinfra.api.hiddenvalue import HiddenValue

from state.connection import usual_arguments
from state.questions import (
    LARGEST_FILE,
    LONGEST,
    MOST,
    Question,
    Questions,
    load,
    question_of,
    save,
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


QUESTIONS = Questions(
    before=[Question(text="hostname")],
    during=[
        Question(text="cat 'ü'\n", shell="bash"),
        Question(text="id", become=(("_sudo", True), ("_sudo_user", "bob"))),
    ],
)


def test_a_file_is_read_as_it_was_written_and_by_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "questions" / "web.json"
    save(path, QUESTIONS)
    assert load(path) == QUESTIONS
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert [each.name for each in path.parent.iterdir()] == ["web.json"]


def test_what_has_not_changed_is_not_written_again(tmp_path: Path) -> None:
    path = tmp_path / "web.json"
    save(path, QUESTIONS)
    before = path.stat().st_ino
    save(path, QUESTIONS)
    assert path.stat().st_ino == before
    save(path, Questions())
    assert load(path) == Questions()


def test_a_file_cut_off_anywhere_holds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "web.json"
    save(path, QUESTIONS)
    whole = path.read_bytes()
    for end in range(len(whole.rstrip())):
        path.write_bytes(whole[:end])
        assert load(path) == Questions()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"null",
        b'{"version": 2}',
        b'{"before": [{"text": 1}]}',
        b'{"before": [{"text": "id", "shell": "sh -c"}]}',
        b'{"before": [{"text": "id", "shell": "sh\\n"}]}',
        b'{"before": [{"text": "id", "become": [["_stdin", "x"]]}]}',
        b'{"before": [{"text": "id", "become": [["_sudo_password", "x"]]}]}',
        b'{"before": [{"text": "id", "more": 1}]}',
        b'{"before": [' + b'{"text": "id"},' * MOST + b'{"text": "id"}]}',
        b'{"before": []}' + b" " * LARGEST_FILE,
    ],
    ids=lambda content: str(content[:60]),
)
def test_what_was_not_written_by_us_holds_nothing(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "web.json"
    path.write_bytes(content)
    assert load(path) == Questions()


def test_what_is_no_file_holds_nothing(tmp_path: Path) -> None:
    assert load(tmp_path) == load(tmp_path / "missing") == Questions()


def test_too_much_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "web.json"
    much = Questions(during=[Question(text=f"{n}" + "x" * 25_000) for n in range(50)])
    save(path, much)
    assert not path.exists()
    assert len(united((Question(text=f"{n}") for n in range(2 * MOST)), ())) == MOST
