"""Rotation: a new key for everything, and a kill at any moment loses nothing."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from configs import ConfigurationError
from configs.secrets import load_secrets, secrets_path
from configs.secrets.cipher import Key
from configs.secrets.initialising import initialise
from configs.secrets.keys import archived, key_file
from configs.secrets.rotating import rotate
from configs.secrets.store import open_store

Environ = dict[str, str]
VALUES = {"A": "geheim", "B": "geheimer\nnoch eine Zeile"}
CALLS = ("open", "write", "fchmod", "fsync", "replace", "unlink", "close")


@pytest.fixture
def environ(tmp_path: Path) -> Environ:
    environ = {
        "CHOM_SECRETS_FILE": str(tmp_path / "configs" / ".secrets.env"),
        "CHOM_SECRETS_KEY_FILE": str(tmp_path / "home" / "secrets.key"),
    }
    initialise(secrets_path(environ), environ)
    open_store(secrets_path(environ), environ).write(VALUES)
    return environ


def revealed(environ: Environ, ask: Callable[[str], str] | None = None) -> dict[str, str]:
    loaded = load_secrets(environ=environ, required=VALUES, ask=ask)
    return {name: secret.reveal() for name, secret in loaded.items()}


def answers(*texts: str) -> Callable[[str], str]:
    left = iter(texts)
    return lambda prompt: next(left)


def killed_at(step: int, after: bool, action: Callable[[], Any]) -> bool:
    """Run the action in a process that dies at this system call; whether it died.

    No handler and no `finally` runs in it any more, as after SIGKILL.
    """
    child = os.fork()
    if child == 0:
        _die_at(step, after)
        try:
            action()
        except BaseException:
            os._exit(2)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, 9)
    return code == 9


def _die_at(step: int, after: bool) -> None:
    count = 0

    def counted(call: Callable[..., Any]) -> Callable[..., Any]:
        def counting(*arguments: Any, **options: Any) -> Any:
            nonlocal count
            count += 1
            if count == step and not after:
                os._exit(9)
            last = count == step
            try:
                return call(*arguments, **options)
            finally:
                if last:
                    os._exit(9)

        return counting

    for name in CALLS:
        setattr(os, name, counted(getattr(os, name)))


def test_everything_has_a_new_key(environ: Environ) -> None:
    path, file = secrets_path(environ), key_file(environ)
    before, old = path.read_text(), file.read_text()
    former, new = rotate(path, environ)
    assert revealed(environ) == VALUES
    assert former.key.reveal() == old.strip()
    assert file.read_text().strip() == new.key.reveal() != old.strip()
    assert archived(file, former.key.id).read_text() == old
    assert sorted(os.listdir(file.parent)) == [file.name, f"{file.name}.{former.key.id}"]
    assert not set(before.splitlines()[2:]) & set(path.read_text().splitlines())
    assert path.read_text().count("# key: ") == 1


def test_an_earlier_commit_still_opens(environ: Environ) -> None:
    before = secrets_path(environ).read_bytes()
    rotate(secrets_path(environ), environ)
    rotate(secrets_path(environ), environ)
    secrets_path(environ).write_bytes(before)
    assert revealed(environ) == VALUES


@pytest.mark.parametrize("after", [False, True])
def test_killed_at_any_moment_every_value_still_opens(environ: Environ, after: bool) -> None:
    """Every step from the first system call until the rotation runs through."""
    path = secrets_path(environ)
    step = 1
    while killed_at(step, after, lambda: rotate(path, environ)):
        assert revealed(environ) == VALUES, step
        open_store(path, environ).write({"A": "geheim"})
        step += 1
    assert step > 20
    rotate(path, environ)
    assert revealed(environ) == VALUES
    assert not [name for name in os.listdir(path.parent) if name.endswith(".new")]
    assert not [name for name in os.listdir(key_file(environ).parent) if name.endswith(".new")]


@pytest.mark.parametrize("after", [False, True])
def test_killed_at_any_moment_with_a_passphrase(
    tmp_path: Path, after: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("configs.secrets.cipher.SCRYPT_N", 2**10)
    old, new = "the old passphrase", "the new passphrase"
    environ = {"CHOM_SECRETS_FILE": str(tmp_path / ".secrets.env")}
    path = secrets_path(environ)
    initialise(path, environ, passphrase=True, ask=answers(old, old))
    open_store(path, environ, answers(old)).write(VALUES)
    before = path.read_bytes()
    step = 1
    while killed_at(step, after, lambda: rotate(path, environ, answers(old, new, new))):
        current = old if path.read_bytes() == before else new
        assert revealed(environ, answers(current)) == VALUES, step
        path.write_bytes(before)
        step += 1
    assert step > 5
    assert revealed(environ, answers(new)) == VALUES


def test_a_failing_disk_leaves_the_old_file_and_key(
    environ: Environ, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = secrets_path(environ).read_bytes(), key_file(environ).read_bytes()

    def failing(source: Any, destination: Any) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("configs.secrets.files.os.replace", failing)
    with pytest.raises(ConfigurationError, match="input/output error"):
        rotate(secrets_path(environ), environ)
    assert (secrets_path(environ).read_bytes(), key_file(environ).read_bytes()) == before


def test_the_key_of_another_project_is_kept(environ: Environ) -> None:
    """The key file is every project's: its key may be one that this file does not know."""
    file = key_file(environ)
    mine, other = Key(file.read_text().strip()), Key.new()
    file.rename(archived(file, mine.id))
    file.write_text(other.reveal())
    file.chmod(0o600)
    rotate(secrets_path(environ), environ)
    assert archived(file, other.id).read_text().strip() == other.reveal()
    assert revealed(environ) == VALUES


def test_nothing_rotates_with_a_value_that_does_not_open(environ: Environ) -> None:
    path = secrets_path(environ)
    path.write_text(path.read_text() + "C=geheim\n")
    before = path.read_bytes()
    with pytest.raises(ConfigurationError, match="an unencrypted value"):
        rotate(path, environ)
    assert path.read_bytes() == before


def test_a_key_of_the_environment_does_not_rotate(environ: Environ) -> None:
    key = key_file(environ).read_text().strip()
    with pytest.raises(ConfigurationError) as refusal:
        rotate(secrets_path(environ), {**environ, "CHOM_SECRETS_KEY": key})
    problem = refusal.value.problems[0]
    assert problem.file == "the variable CHOM_SECRETS_KEY"
    assert "unset CHOM_SECRETS_KEY" in problem.remedy
    assert key not in str(refusal.value)
