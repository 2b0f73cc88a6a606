"""A private key's file: what SSH would refuse, or could not read without anybody there."""

import io
import subprocess
import sys
from pathlib import Path

import pytest

from configs import Ssh
from configs.keyfiles import Trouble, key_trouble


def _key(folder: Path, passphrase: str, *more: str) -> Path:
    path = folder / "key"
    command = ["ssh-keygen", "-q", "-N", passphrase, "-f", str(path), *more]
    subprocess.run(command, check=True)
    return path


def _trouble(path: Path) -> Trouble | None:
    return key_trouble(Ssh.model_validate({"user": "root", "key": str(path)}))


@pytest.fixture(autouse=True)
def nobody_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
@pytest.mark.parametrize("form", [[], ["-m", "PEM"], ["-m", "PKCS8"]])
def test_each_kind_of_key_is_told_from_one_with_a_passphrase(
    tmp_path: Path, kind: str, form: list[str]
) -> None:
    assert _trouble(_key(tmp_path, "", "-t", kind, *form)) is None
    (tmp_path / "key").unlink()
    trouble = _trouble(_key(tmp_path, "a passphrase", "-t", kind, *form))
    assert trouble is not None
    assert "a key with a passphrase, no terminal" in trouble.found
    assert "-N ''" in trouble.remedy


def test_with_a_terminal_it_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _key(tmp_path, "a passphrase", "-t", "ed25519")
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    assert _trouble(path) is None


@pytest.mark.parametrize("content", [b"", b"\xff\x00", b"ssh-ed25519 AAAA me\n"])
def test_file_without_a_private_key(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key"
    path.touch(mode=0o600)
    path.write_bytes(content)
    trouble = _trouble(path)
    assert trouble is not None and "no private key is in it" in trouble.found
