"""Where the key comes from: the environment, a file outside the project, or a passphrase."""

import getpass
import os
import shlex
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from configs.paths import PROJECT
from configs.problems import ConfigurationError
from configs.secrets.cipher import Key
from configs.secrets.files import reason, refusal
from configs.secrets.sheet import Sheet

Ask = Callable[[str], str]
VARIABLE = "CHOM_SECRETS_KEY"
FILE_VARIABLE = "CHOM_SECRETS_KEY_FILE"
DEFAULT_FILE = "~/.config/chom/secrets.key"
SHORTEST_PASSPHRASE = 12
EXPORT = "python -m configs secrets export-key"
_FORM = "44 characters: 32 bytes in url-safe base64"


@dataclass(frozen=True)
class Found:
    """A key, and where it was found as an operator names it; file: if it was a file."""

    key: Key
    source: str
    file: Path | None = None


def key_file(environ: Mapping[str, str]) -> Path:
    """The key file that the environment names, else ~/.config/chom/secrets.key."""
    return Path(os.path.expanduser(environ.get(FILE_VARIABLE) or DEFAULT_FILE))


def archived(file: Path, key_id: str) -> Path:
    """Where a key that is not, or not yet, the key file's own is kept: beside it, by its id."""
    return file.with_name(f"{file.name}.{key_id}")


def find(sheet: Sheet, environ: Mapping[str, str], ask: Ask | None = None) -> Found:
    """The key that the file is sealed with. Raises ConfigurationError.

    CHOM_SECRETS_KEY goes first; then the passphrase, if the file is sealed with one and
    CHOM_SECRETS_KEY_FILE names no key; then the key file, or the archived key beside it.

    ask: asks for the passphrase; without it the terminal does.
    """
    if text := environ.get(VARIABLE, "").strip():
        return _checked(Found(parse(text, f"the variable {VARIABLE}"), VARIABLE), sheet)
    salt = sheet.salt
    if salt is not None and not environ.get(FILE_VARIABLE):
        prompt = f"Passphrase of {sheet.path.name}: "
        key = Key.derived(ask_passphrase(prompt, ask), salt)
        return _checked(Found(key, "the passphrase"), sheet)
    return _in_files(key_file(environ), sheet)


def read_key(file: Path) -> Key | None:
    """The file's key; None if there is no such file. Raises ConfigurationError."""
    refuse_inside_project(file)
    try:
        with open(os.open(file, os.O_RDONLY | os.O_NONBLOCK), "rb") as opened:
            mode = os.fstat(opened.fileno()).st_mode
            if stat.S_ISREG(mode):
                _refuse_open_to_others(file, mode)
            content = opened.read(4096) if stat.S_ISREG(mode) else b""
    except FileNotFoundError:
        return None
    except OSError as error:
        raise refusal(
            file, "", reason(error), "a key file that you can read", "correct the path or its owner"
        ) from None
    if not stat.S_ISREG(mode):
        raise refusal(
            file,
            "",
            "not a plain file",
            "a key file",
            f"set {FILE_VARIABLE} to the path of the key file itself",
        )
    return parse(content.decode(errors="replace").strip(), file)


def parse(text: str, where: Path | str) -> Key:
    """The key of a text. Raises ConfigurationError, which never repeats the text."""
    try:
        return Key(text)
    except (ValueError, TypeError):
        found = f"a text of {len(text)} characters that is no key" if text else "nothing"
        if 0 < len(text) < 44:
            found = f"{len(text)} characters: a key that was cut off"
        raise refusal(
            where,
            "",
            found,
            _FORM,
            f"copy the whole key again from where it still is: {EXPORT}",
        ) from None


def ask_passphrase(prompt: str, ask: Ask | None = None) -> str:
    """Ask on the terminal, without showing what is typed. Raises ConfigurationError without one."""
    if ask is None and not has_terminal():
        raise refusal(
            "the passphrase",
            "",
            "no terminal to ask for it on",
            "a terminal, or the key itself",
            f"set {VARIABLE} to what `{EXPORT}` prints on a terminal",
        )
    return (ask or getpass.getpass)(prompt)


def new_passphrase(ask: Ask | None = None) -> str:
    """Ask twice for a new passphrase. Raises ConfigurationError if it is short or differs."""
    first = ask_passphrase("New passphrase: ", ask)
    if len(first) < SHORTEST_PASSPHRASE:
        raise refusal(
            "the passphrase",
            "",
            f"{len(first)} characters",
            f"at least {SHORTEST_PASSPHRASE}: whoever has the file can try as often as they like",
            "take a longer one, such as five random words",
        )
    if ask_passphrase("Again: ", ask) != first:
        raise refusal(
            "the passphrase", "", "two different ones", "the same one twice", "type it again"
        )
    return first


def has_terminal() -> bool:
    """Whether somebody can be asked."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


def refuse_inside_project(file: Path) -> None:
    """Raises ConfigurationError for a key file below the project's folder."""
    if Path(os.path.realpath(file)).is_relative_to(PROJECT):
        raise refusal(
            file,
            "",
            "a key file inside the project",
            "a key file outside of it: who copies the project must not get the key with it",
            f"move it away, and set {FILE_VARIABLE} to its new path; by default it is "
            f"{DEFAULT_FILE}",
        )


def _in_files(file: Path, sheet: Sheet) -> Found:
    key = read_key(file)
    if key and sheet.key_id in ("", key.id):
        return Found(key, str(file), file)
    if sheet.key_id and (other := read_key(archived(file, sheet.key_id))):
        return _checked(Found(other, str(archived(file, sheet.key_id)), file), sheet)
    if key:
        raise _wrong(Found(key, str(file), file), sheet)
    raise _lost(file, sheet)


def _checked(found: Found, sheet: Sheet) -> Found:
    if sheet.key_id in ("", found.key.id):
        return found
    raise _wrong(found, sheet)


def _wrong(found: Found, sheet: Sheet) -> ConfigurationError:
    return refusal(
        found.file or found.source,
        "",
        f"the key {found.key.id}",
        f"the key {sheet.key_id}, which {sheet.path.name} is sealed with",
        "type the right passphrase"
        if found.source == "the passphrase"
        else f"take the key from whoever has it: {EXPORT}",
    )


def _lost(file: Path, sheet: Sheet) -> ConfigurationError:
    wanted = f"the key {sheet.key_id}" if sheet.key_id else "the key"
    return refusal(
        file,
        "",
        f"no such file, and {VARIABLE} is not set",
        f"{wanted}, which {sheet.path.name} is sealed with",
        f"take the key from whoever has it ({EXPORT}), and write it to this file with mode 0600,\n"
        f"or set {VARIABLE} to it, or {FILE_VARIABLE} to its path. If it is lost, so are the\n"
        f"values: mv {shlex.quote(str(sheet.path))} somewhere else, run "
        "`python -m configs secrets init`,\nand set each secret anew",
    )


def _refuse_open_to_others(file: Path, mode: int) -> None:
    if mode & 0o077:
        raise refusal(
            file,
            "",
            f"mode {stat.S_IMODE(mode):04o}, open to others than its owner",
            "mode 0600: only its owner can read it",
            f"chmod 600 {shlex.quote(str(file))}; if others use this computer, also\n"
            "`python -m configs secrets rotate`: they may have read it",
        )
