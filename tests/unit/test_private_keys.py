"""Private keys are read once, before pyinfra would in the middle of connecting."""

import subprocess
from pathlib import Path

import pytest
from pyinfra.api import Config, Inventory, State

from configs import ConfigurationError, Target
from state.private_keys import read_keys
from tests.unit.helpers import configuration


@pytest.fixture
def targets(tmp_path: Path) -> list[Target]:
    """Two that share a key, which has a passphrase."""
    targets = list(configuration(tmp_path).targets.values())
    path = targets[0].ssh.key_path
    path.unlink()
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "a passphrase", "-f", str(path)]
    subprocess.run(command, check=True)
    return targets


class Asked(list[str]):
    """A person at a terminal, who answers so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: str) -> None:
        left = list(answers)
        monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)

        def answer(prompt: str) -> str:
            self.append(prompt)
            return left.pop(0)

        monkeypatch.setattr("getpass.getpass", answer)


def _state() -> State:
    return State(Inventory((["@local"], {})), Config())


def test_passphrase_is_asked_for_once_for_all(
    targets: list[Target], monkeypatch: pytest.MonkeyPatch
) -> None:
    state, asked = _state(), Asked(monkeypatch, "a mistake", "a passphrase")
    read_keys(state, targets)
    assert list(state.private_keys) == [str(targets[0].ssh.key_path)]
    assert asked == [f"passphrase of {targets[0].ssh.key}: "] * 2


def test_who_does_not_know_it_is_told_so(
    targets: list[Target], monkeypatch: pytest.MonkeyPatch
) -> None:
    Asked(monkeypatch, "a mistake", "", "another")
    with pytest.raises(ConfigurationError) as refusal:
        read_keys(_state(), targets)
    (problem,) = refusal.value.problems
    assert problem.file == targets[0].ssh.key
    assert "ssh-keygen -y -f" in problem.remedy


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"-----BEGIN OPENSSH PRIVATE KEY-----\nAA"])
def test_garbage_is_told(targets: list[Target], content: bytes) -> None:
    targets[0].ssh.key_path.write_bytes(content)
    with pytest.raises(ConfigurationError):
        read_keys(_state(), targets)
