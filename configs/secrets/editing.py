"""Edits all secrets at once, as plain text in memory; only what was changed is sealed anew."""

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from configs.problems import ConfigurationError
from configs.secrets import plain
from configs.secrets.files import reason, refusal
from configs.secrets.keys import VARIABLE, Ask
from configs.secrets.memory import folder_in_memory, write_new
from configs.secrets.sheet import read
from configs.secrets.store import Store, changing, unusable_keys


@dataclass(frozen=True)
class Changes:
    """The names that an edit touched."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


def edit(path: Path, environ: Mapping[str, str], ask: Ask | None = None) -> Changes:
    """Open the values in $EDITOR and store what was changed. Raises ConfigurationError.

    An unencrypted value in the file is taken over, and so encrypted.
    """
    with changing(path, environ, ask) as store:
        before = {name: secret.reveal() for name, secret in store.secrets(plain=True).items()}
        after = _edited(before, environ)
        if read(path) != store.sheet:
            raise refusal(
                path,
                "",
                "a file that changed while you edited",
                "the file as it was when you began",
                "nothing was written; edit again",
            )
        return _write(store, before, after)


def _write(store: Store, before: Mapping[str, str], after: Mapping[str, str]) -> Changes:
    if not after:
        return Changes()
    unsealed = {entry.name for entry in store.sheet.entries() if not entry.sealed}
    changes = Changes(
        added=tuple(name for name in after if name not in before),
        changed=tuple(
            name
            for name in after
            if name in before and (after[name] != before[name] or name in unsealed)
        ),
        removed=tuple(name for name in before if name not in after),
    )
    touched = (*changes.added, *changes.changed, *changes.removed)
    if touched:
        store.write({name: after.get(name) for name in touched})
    return changes


def _edited(values: Mapping[str, str], environ: Mapping[str, str]) -> dict[str, str]:
    with folder_in_memory() as folder:
        file = folder / "secrets.env"
        write_new(file, plain.render(values))
        while True:
            _open_editor(file, environ)
            try:
                return _checked(plain.parse(_text(file)), values)
            except ConfigurationError as error:
                if not _again(error):
                    raise


def _checked(after: dict[str, str], before: Mapping[str, str]) -> dict[str, str]:
    """The values, if those that were changed can be stored. Raises ConfigurationError."""
    changed = {name: value for name, value in after.items() if before.get(name) != value}
    if problems := unusable_keys(changed):
        raise ConfigurationError(problems)
    return after


def _text(file: Path) -> str:
    try:
        return file.read_bytes().decode()
    except (OSError, UnicodeDecodeError):
        raise refusal(
            plain.FILE,
            "",
            "no file in UTF-8",
            "the file that was opened, saved at its place",
            "nothing was written; edit again",
        ) from None


def _again(error: ConfigurationError) -> bool:
    """Whether to open the editor once more, so that nothing typed is lost."""
    if not sys.stdin.isatty():
        return False
    print(error, file=sys.stderr)
    return input("Edit again? [Y/n] ").strip().lower() in ("", "y", "yes")


def _open_editor(file: Path, environ: Mapping[str, str]) -> None:
    editor = environ.get("EDITOR") or "vi"
    hidden = {name: value for name, value in environ.items() if name != VARIABLE}
    try:
        with _interrupts_left_to_the_editor():
            code = subprocess.call([*shlex.split(editor), str(file)], env=hidden, cwd=os.getcwd())
    except (OSError, ValueError) as error:
        found = reason(error) if isinstance(error, OSError) else "a command with an open quote"
        raise refusal(
            "the variable EDITOR",
            "",
            f"{editor}: {found}",
            "the command of a text editor",
            "export EDITOR=nano, or any other that you have",
        ) from None
    if code:
        raise refusal(
            "the variable EDITOR",
            "",
            f"{editor} ended with code {code}",
            "code 0: the editor was left after saving",
            "nothing was written; edit again",
        )


@contextmanager
def _interrupts_left_to_the_editor() -> Iterator[None]:
    # Ctrl-C reaches both. A handler that does nothing is not inherited; ignoring would be.
    before = signal.signal(signal.SIGINT, lambda number, frame: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
