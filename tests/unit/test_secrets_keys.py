"""The key: where it comes from, and what is said when it does not fit."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from configs import PROJECT, ConfigurationError, Problem
from configs.secrets import load_secrets, secrets_path
from configs.secrets.cipher import Key
from configs.secrets.initialising import initialise
from configs.secrets.keys import key_file
from configs.secrets.store import open_store

Environ = dict[str, str]
PASSPHRASE = "correct horse battery"


@pytest.fixture
def environ(tmp_path: Path) -> Environ:
    return {
        "CHOM_SECRETS_FILE": str(tmp_path / ".secrets.env"),
        "CHOM_SECRETS_KEY_FILE": str(tmp_path / "home" / "secrets.key"),
    }


@pytest.fixture
def file(environ: Environ) -> Path:
    initialise(secrets_path(environ), environ)
    open_store(secrets_path(environ), environ).write({"A": "geheim"})
    return key_file(environ)


def refused(environ: Environ, ask: Callable[[str], str] | None = None) -> Problem:
    with pytest.raises(ConfigurationError) as refusal:
        load_secrets(environ=environ, required=["A"], ask=ask)
    assert len(refusal.value.problems) == 1
    return refusal.value.problems[0]


def answers(*texts: str) -> Callable[[str], str]:
    left = iter(texts)
    return lambda prompt: next(left)


def test_a_new_key_is_private_and_outside_the_project(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    monkeypatch.setenv("HOME", "/home/me")
    assert key_file({}) == Path("/home/me/.config/chom/secrets.key")


def test_the_environment_goes_before_the_file(file: Path, environ: Environ) -> None:
    environ["CHOM_SECRETS_KEY"] = f" {file.read_text()}\n"
    file.write_text("something else")
    assert load_secrets(environ=environ)["A"].reveal() == "geheim"


def test_a_key_of_the_environment_is_used_to_begin(tmp_path: Path) -> None:
    key = Key.new()
    path = tmp_path / ".secrets.env"
    assert initialise(path, {"CHOM_SECRETS_KEY": key.reveal()}).key.id == key.id
    assert os.listdir(tmp_path) == [".secrets.env"]


def test_a_key_that_is_there_is_used_to_begin(file: Path, tmp_path: Path, environ: Environ) -> None:
    before = file.read_text()
    initialise(tmp_path / "other.env", environ)
    assert file.read_text() == before


def test_a_lost_key(file: Path, environ: Environ) -> None:
    key = Key(file.read_text().strip())
    file.unlink()
    problem = refused(environ)
    assert problem.file == str(file)
    assert problem.found == "no such file, and CHOM_SECRETS_KEY is not set"
    assert problem.expected == f"the key {key.id}, which .secrets.env is sealed with"
    assert "python -m configs secrets export-key" in problem.remedy
    assert "python -m configs secrets init" in problem.remedy


def test_a_lost_key_of_a_file_without_a_header(file: Path, environ: Environ) -> None:
    path = secrets_path(environ)
    path.write_text(path.read_text().splitlines()[-1])
    assert load_secrets(environ=environ)["A"].reveal() == "geheim"
    file.unlink()
    assert refused(environ).expected == "the key, which .secrets.env is sealed with"


def test_a_wrong_key_in_the_file(file: Path, environ: Environ) -> None:
    right, wrong = Key(file.read_text().strip()), Key.new()
    file.write_text(wrong.reveal())
    problem = refused(environ)
    assert problem.file == str(file)
    assert problem.found == f"the key {wrong.id}"
    assert problem.expected == f"the key {right.id}, which .secrets.env is sealed with"
    assert wrong.reveal() not in str(problem)


def test_a_wrong_key_in_the_environment(file: Path, environ: Environ) -> None:
    environ["CHOM_SECRETS_KEY"] = Key.new().reveal()
    assert refused(environ).file == "CHOM_SECRETS_KEY"


def test_a_wrong_key_seals_nothing(file: Path, environ: Environ) -> None:
    file.write_text(Key.new().reveal())
    with pytest.raises(ConfigurationError):
        open_store(secrets_path(environ), environ)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "nothing"),
        ("geheim", "6 characters: a key that was cut off"),
        ("geheim" * 10, "a text of 60 characters that is no key"),
        ("\u00fc" * 44, "a text of 44 characters that is no key"),
    ],
)
def test_a_key_that_is_none(file: Path, environ: Environ, text: str, found: str) -> None:
    file.write_text(text)
    problem = refused(environ)
    assert (problem.file, problem.found) == (str(file), found)
    assert "44 characters" in problem.expected
    assert "geheim" not in problem.found + problem.remedy


def test_a_truncated_key_in_the_environment(file: Path, environ: Environ) -> None:
    environ["CHOM_SECRETS_KEY"] = file.read_text()[:30]
    problem = refused(environ)
    assert problem.file == "the variable CHOM_SECRETS_KEY"
    assert problem.found == "30 characters: a key that was cut off"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_a_key_file_open_to_others(file: Path, environ: Environ, mode: int) -> None:
    file.chmod(mode)
    problem = refused(environ)
    assert problem.found == f"mode {mode:04o}, open to others than its owner"
    assert problem.expected.startswith("mode 0600")
    assert problem.remedy.startswith(f"chmod 600 {file}")


def test_a_folder_in_place_of_the_key_file(file: Path, environ: Environ) -> None:
    environ["CHOM_SECRETS_KEY_FILE"] = str(file.parent)
    assert refused(environ).found == "is a directory"


def test_a_pipe_in_place_of_the_key_file_does_not_hang(file: Path, environ: Environ) -> None:
    file.unlink()
    os.mkfifo(file)
    assert refused(environ).found == "not a plain file"


def test_a_path_through_a_file(file: Path, environ: Environ) -> None:
    environ["CHOM_SECRETS_KEY_FILE"] = str(file / "x")
    assert refused(environ).found == "not a directory"


def test_a_key_inside_the_project(file: Path, environ: Environ) -> None:
    environ["CHOM_SECRETS_KEY_FILE"] = str(PROJECT / "keys" / "secrets.key")
    assert refused(environ).found == "a key file inside the project"
    secrets_path(environ).unlink()
    with pytest.raises(ConfigurationError, match="inside the project"):
        initialise(secrets_path(environ), environ)


# A passphrase


@pytest.fixture(autouse=True)
def _cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("configs.secrets.cipher.SCRYPT_N", 2**10)


@pytest.fixture
def sealed(tmp_path: Path) -> Path:
    path = tmp_path / ".secrets.env"
    initialise(path, {}, passphrase=True, ask=answers(PASSPHRASE, PASSPHRASE))
    open_store(path, {}, answers(PASSPHRASE)).write({"A": "geheim"})
    return path


def test_a_passphrase_opens_what_it_sealed(sealed: Path) -> None:
    loaded = load_secrets(sealed, environ={}, ask=answers(PASSPHRASE))
    assert loaded["A"].reveal() == "geheim"
    key = open_store(sealed, {}, answers(PASSPHRASE)).key
    assert len(load_secrets(sealed, environ={"CHOM_SECRETS_KEY": key.reveal()})) == 1


def test_a_wrong_passphrase(sealed: Path) -> None:
    problem = refused({"CHOM_SECRETS_FILE": str(sealed)}, answers("another one"))
    assert (problem.file, problem.remedy) == ("the passphrase", "type the right passphrase")


def test_a_passphrase_without_a_terminal(sealed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(path: str, flags: int) -> int:
        raise OSError

    monkeypatch.setattr("configs.secrets.keys.os.open", none)
    problem = refused({"CHOM_SECRETS_FILE": str(sealed)})
    assert problem.found == "no terminal to ask for it on"
    assert "CHOM_SECRETS_KEY" in problem.remedy


def test_a_passphrase_is_asked_for_on_the_terminal(
    sealed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("configs.secrets.keys.has_terminal", lambda: True)
    monkeypatch.setattr("getpass.getpass", answers(PASSPHRASE))
    assert len(load_secrets(sealed, environ={})) == 1


def test_a_named_key_file_goes_before_the_passphrase(sealed: Path, tmp_path: Path) -> None:
    environ = {"CHOM_SECRETS_KEY_FILE": str(tmp_path / "none")}
    with pytest.raises(ConfigurationError, match="no such file, and CHOM_SECRETS_KEY"):
        load_secrets(sealed, environ=environ)


@pytest.mark.parametrize(
    ("typed", "found"),
    [(("short",), "5 characters"), ((PASSPHRASE, PASSPHRASE + "x"), "two different ones")],
)
def test_a_new_passphrase_is_long_and_typed_twice(
    tmp_path: Path, typed: tuple[str, ...], found: str
) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        initialise(tmp_path / ".secrets.env", {}, passphrase=True, ask=answers(*typed))
    assert refusal.value.problems[0].found == found
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("salt", ["", "abc", "YWJj"])
def test_a_damaged_salt(sealed: Path, salt: str) -> None:
    lines = [
        f"# passphrase: scrypt-17-8-1 {salt}" if line.startswith("# passphrase") else line
        for line in sealed.read_text().splitlines()
    ]
    sealed.write_text("\n".join(lines))
    problem = refused({"CHOM_SECRETS_FILE": str(sealed)}, answers(PASSPHRASE))
    assert (problem.key, problem.found) == ("the line `# passphrase:`", "a damaged salt")
