"""The first step: a key, and an empty file sealed with it."""

import os
from collections.abc import Mapping
from pathlib import Path

from configs.secrets.cipher import Key, new_salt
from configs.secrets.files import alone, refusal, write_whole
from configs.secrets.keys import (
    VARIABLE,
    Ask,
    Found,
    key_file,
    new_passphrase,
    parse,
    read_key,
    refuse_inside_project,
)
from configs.secrets.sheet import Sheet, read


def initialise(
    path: Path, environ: Mapping[str, str], *, passphrase: bool = False, ask: Ask | None = None
) -> Found:
    """Begin the file, and make a key if there is none; the key that it is sealed with.

    A file that somebody began by hand is kept and gets its header.
    Raises ConfigurationError, also if the file has been begun already.
    """
    with alone(path):
        sheet = read(path) if os.path.exists(path) else Sheet(path)
        if sheet.key_id:
            raise refusal(
                path,
                "",
                f"secrets that are sealed with the key {sheet.key_id} already",
                "no such file yet",
                "python -m configs secrets check; for another key: secrets rotate",
            )
        salt = new_salt() if passphrase else None
        found = _derived(salt, ask) if salt else _present_or_new(environ)
        write_whole(path, sheet.keyed(found.key.id, salt).text)
        return found


def _derived(salt: bytes, ask: Ask | None) -> Found:
    return Found(Key.derived(new_passphrase(ask), salt), "the passphrase")


def _present_or_new(environ: Mapping[str, str]) -> Found:
    if text := environ.get(VARIABLE, "").strip():
        return Found(parse(text, f"the variable {VARIABLE}"), VARIABLE)
    file = key_file(environ)
    if key := read_key(file):
        return Found(key, str(file), file)
    refuse_inside_project(file)
    key = Key.new()
    write_whole(file, key.reveal() + "\n")
    return Found(key, str(file), file)
