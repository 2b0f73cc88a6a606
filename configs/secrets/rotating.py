"""A new key for everything; killed at any moment, every value still opens.

Two files change, and no system replaces two files at once. So a key is found by its id: the new
one is on disk, beside the key file and under its id, before the secrets are sealed with it, and
the old one goes there before the key file is given to the new one. Whichever of the two versions
of the secrets a kill leaves, the key for it is there. The old key stays: earlier commits need it.
"""

from collections.abc import Mapping
from pathlib import Path

from configs.problems import ConfigurationError
from configs.secrets.cipher import Key, new_salt
from configs.secrets.files import refusal, write_whole
from configs.secrets.keys import (
    EXPORT,
    VARIABLE,
    Ask,
    Found,
    archived,
    key_file,
    new_passphrase,
    read_key,
)
from configs.secrets.store import Store, changing


def rotate(path: Path, environ: Mapping[str, str], ask: Ask | None = None) -> tuple[Found, Found]:
    """Seal every value with a new key; the old key and the new one. Raises ConfigurationError."""
    with changing(path, environ, ask) as store:
        if store.found.source == VARIABLE:
            raise _unchangeable(environ)
        values = {secret.name: secret.reveal() for secret in store.secrets().values()}
        if store.found.file:
            return store.found, _rotate_file(store, values, store.found.file)
        return store.found, _rotate_passphrase(store, values, ask)


def _rotate_file(store: Store, values: Mapping[str, str], file: Path) -> Found:
    key = Key.new()
    # After an interrupted rotation, or with another project's key, the file's own differs.
    for kept in (read_key(file) or store.key, store.key, key):
        write_whole(archived(file, kept.id), kept.reveal() + "\n")
    _write_sealed(store, values, key, None)
    write_whole(file, key.reveal() + "\n")
    _tidy(file, key)
    return Found(key, str(file), file)


def _tidy(file: Path, key: Key) -> None:
    """The key file has the new key now; and what killed rotations began to write is no key."""
    for superfluous in (archived(file, key.id), *file.parent.glob(f"{file.name}.*.new")):
        superfluous.unlink(missing_ok=True)


def _rotate_passphrase(store: Store, values: Mapping[str, str], ask: Ask | None) -> Found:
    salt = new_salt()
    key = Key.derived(new_passphrase(ask), salt)
    _write_sealed(store, values, key, salt)
    return Found(key, "the passphrase")


def _write_sealed(store: Store, values: Mapping[str, str], key: Key, salt: bytes | None) -> None:
    tokens = {name: key.seal(name, value) for name, value in values.items()}
    sheet = store.sheet.changed(tokens).keyed(key.id, salt)
    write_whole(sheet.path, sheet.text)


def _unchangeable(environ: Mapping[str, str]) -> ConfigurationError:
    file = key_file(environ)
    return refusal(
        f"the variable {VARIABLE}",
        "",
        "the key, which no command can change in the environment",
        "the key in a file or a passphrase",
        "on your own computer:\n"
        f"  (umask 077; set -C; mkdir -p {file.parent}; {EXPORT} > {file})\n"
        f"  unset {VARIABLE}\n"
        "  python -m configs secrets rotate\n"
        f"and then give the new key to whatever set the variable: {EXPORT}",
    )
