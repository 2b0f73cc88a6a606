"""Deploy keys that SSH could not use: refused when they are stored, and before any connection."""

import subprocess
from pathlib import Path

import pytest

from configs import ConfigurationError
from configs.secrets import Needed, load_secrets, provide, secrets_path
from configs.secrets.editing import edit
from configs.secrets.initialising import initialise
from configs.secrets.ssh_keys import unusable
from configs.secrets.store import open_store
from tests.unit.test_secrets_commands import Run, begun, run  # noqa: F401

NAME = "SHOP_DEPLOY_KEY"
NEED = Needed(NAME, "the OpenSSH private key that may read shop's repository", is_ssh_key=True)
KINDS = (["-t", "ed25519"], ["-t", "rsa", "-m", "PEM"], ["-t", "ecdsa", "-m", "PKCS8"])


def made(folder: Path, *options: str, passphrase: str = "") -> str:
    """A private key as ssh-keygen writes it; its public key lies beside it."""
    file = folder / "key"
    file.unlink(missing_ok=True)
    command = ["ssh-keygen", "-q", "-N", passphrase, "-f", str(file), *(options or KINDS[0])]
    subprocess.run(command, check=True)
    return file.read_text()


def bad_keys(folder: Path) -> dict[str, tuple[str, str]]:
    """Texts that are no keys for SSH by what they are: the text, and what is found."""
    good = made(folder)
    public = (folder / "key.pub").read_text()
    return {
        "public": (public, "a public key"),
        "public PEM": ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "a public"),
        "putty": ("PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\n", "PuTTY"),
        "one line": (good.replace("\n", " "), "a key on one line"),
        "escaped": (good.replace("\n", "\\n"), "a key on one line"),
        "cut off": (good[:100], "a key that was cut off"),
        "damaged": (good.replace(good[100:108], "AAAAAAAA"), "a damaged private key"),
        "indented": (good.replace("\n", "\n  "), "a damaged private key"),
        "passphrase": (made(folder, passphrase="geheim"), "a key with a passphrase"),
        "passphrase PEM": (made(folder, *KINDS[1], passphrase="geheim"), "a key with a passphrase"),
        "passphrase PKCS8": (made(folder, *KINDS[2], passphrase="geheim"), "a key with a pass"),
    }


BAD = ("public", "public PEM", "putty", "one line", "escaped", "cut off", "damaged", "indented",
       "passphrase", "passphrase PEM", "passphrase PKCS8")  # fmt: skip


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {
        "CHOM_SECRETS_FILE": str(tmp_path / ".secrets.env"),
        "CHOM_SECRETS_KEY_FILE": str(tmp_path / "home" / "secrets.key"),
    }


@pytest.mark.parametrize("options", KINDS)
def test_a_key_of_any_kind_is_stored_and_used(
    begun: Run,  # noqa: F811
    tmp_path: Path,
    options: list[str],
) -> None:
    key = made(tmp_path, *options)
    assert begun("set", NAME, stdin=key.encode())[0] == 0
    assert provide([NEED], keep=False).secrets[NAME].reveal() == key.strip()


def test_a_file_of_windows_is_stored_with_its_lines(begun: Run, tmp_path: Path) -> None:  # noqa: F811
    key = made(tmp_path)
    assert begun("set", NAME, stdin=key.replace("\n", "\r\n").encode())[0] == 0
    assert load_secrets()[NAME].reveal() == key.strip()


@pytest.mark.parametrize("what", BAD)
def test_what_is_no_such_key_is_refused_when_it_is_stored(
    begun: Run,  # noqa: F811
    tmp_path: Path,
    what: str,
) -> None:
    text, found = bad_keys(tmp_path)[what]
    code, out, err = begun("set", NAME, stdin=text.encode())
    assert (code, out) == (1, "") and found in err
    assert f"python -m configs secrets set {NAME} < FILE" in err
    assert text.split()[-1] not in err and text[40:60] not in err
    assert NAME not in load_secrets()


def stored(environ: dict[str, str], value: str) -> None:
    """A value that an earlier version has stored, or another program."""
    initialise(secrets_path(environ), environ)
    store = open_store(secrets_path(environ), environ)
    token = store.key.seal(NAME, value)
    store.sheet.path.write_text(store.sheet.changed({NAME: token}).text)


@pytest.mark.parametrize("what", [*BAD, "crlf", "garbage"])
def test_one_that_was_stored_is_refused_before_any_connection(
    environ: dict[str, str], tmp_path: Path, what: str
) -> None:
    more = {
        "crlf": (made(tmp_path).replace("\n", "\r\n"), "line ends of Windows"),
        "garbage": ("a token of another service", "no private key"),
    }
    text, found = {**bad_keys(tmp_path), **more}[what]
    stored(environ, text)
    with pytest.raises(ConfigurationError) as refusal:
        provide([NEED], keep=True, environ=environ)
    (problem,) = refusal.value.problems
    assert found in problem.found and problem.key == NAME
    assert f"set {NAME} < FILE" in problem.remedy and text not in str(refusal.value)


def test_a_token_of_another_service_may_have_such_a_name(begun: Run) -> None:  # noqa: F811
    assert begun("set", "SHOP_ENVOYER_DEPLOY_KEY", stdin=b"a-token-of-theirs")[0] == 0


def test_an_editor_refuses_it_as_well_and_stores_nothing(
    environ: dict[str, str], tmp_path: Path
) -> None:
    made(tmp_path)
    initialise(secrets_path(environ), environ)
    editor = tmp_path / "editor"
    editor.write_text(f'#!/bin/sh\n(printf "{NAME}=\'"; cat {tmp_path}/key.pub; echo "\'") > $1\n')
    editor.chmod(0o700)
    before = secrets_path(environ).read_text()
    with pytest.raises(ConfigurationError, match="a public key"):
        edit(secrets_path(environ), {**environ, "EDITOR": str(editor)})
    assert secrets_path(environ).read_text() == before


@pytest.mark.parametrize("text", ["", "-----BEGIN ", "-----BEGIN X-----\n\n-----END X-----", "\0"])
def test_whatever_comes_is_answered(text: str) -> None:
    assert unusable(text, "set")
