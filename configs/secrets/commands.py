"""`python -m configs secrets …`; only `get` and `export-key` print what is secret."""

import argparse
import getpass
import json
import os
import sys
from dataclasses import asdict
from typing import Any

from configs.problems import ConfigurationError
from configs.secrets.editing import edit
from configs.secrets.files import refusal
from configs.secrets.generating import generate
from configs.secrets.initialising import initialise
from configs.secrets.keys import archived
from configs.secrets.rotating import rotate
from configs.secrets.sheet import SET, read
from configs.secrets.store import changing, check_name, open_store, secrets_path


def run(chosen: argparse.Namespace) -> int:
    """Run the chosen command; the exit code. Raises ConfigurationError."""
    path = secrets_path()
    match chosen.action:
        case "init":
            found = initialise(path, os.environ, passphrase=chosen.passphrase)
            print(f"{path}: begun, sealed with the key {found.key.id} ({found.source})")
            print("Keep a copy of the key at a safe place: without it, the secrets are lost.")
        case "set":
            _set(chosen.name, chosen.generate)
        case "get":
            check_name(chosen.name)
            secret = open_store(path, os.environ).secret(chosen.name)
            _print_secret(secret.reveal(), chosen.name)
        case "edit":
            changes = edit(path, os.environ)
            for what, names in asdict(changes).items():
                print(f"{what + ':':<9}{', '.join(names) or '-'}")
        case "list":
            _list(as_json=chosen.json)
        case "check":
            return _check(as_json=chosen.json)
        case "rotate":
            _rotate()
        case "export-key":
            key = open_store(path, os.environ).key
            _print_secret(key.reveal(), f"the key {key.id}")
    return 0


def _set(name: str, kind: Any) -> None:
    check_name(name)
    path = secrets_path()
    if kind:
        known = any(entry.name == name for entry in read(path).entries())
        generate(name, kind)
        print(f"{name}: " + ("there already; it stays as it is" if known else "generated, stored"))
        return
    with changing(path, os.environ) as store:
        store.write({name: _value(name)})
    print(f"{name}: stored in {path}")


def _value(name: str) -> str:
    """The new value, from the terminal or from standard input without its last line break."""
    if sys.stdin.isatty():
        value = getpass.getpass(f"{name}: ")
        if getpass.getpass("Again: ") != value:
            raise refusal(name, "", "two different values", "the same value twice", "type it again")
    else:
        value = _piped(name).removesuffix("\n")
    if not value:
        raise refusal(
            name, "", "an empty value", "a value", f"type one, or pipe it to {SET} {name}"
        )
    return value


def _piped(name: str) -> str:
    try:
        # A file of Windows means the same lines; no component could use its line ends.
        return sys.stdin.buffer.read().decode().replace("\r\n", "\n")
    except UnicodeDecodeError:
        raise refusal(
            name, "", "bytes that are not UTF-8", "text", f"base64 < FILE | {SET} {name}"
        ) from None


def _print_secret(text: str, name: str) -> None:
    if sys.stdout.isatty():
        print(f"{name} is shown in clear; whoever sees this terminal can read it", file=sys.stderr)
    print(text)


def _list(*, as_json: bool) -> None:
    sheet = read(secrets_path())
    entries = sheet.entries()
    if as_json:
        names = [{"name": entry.name, "encrypted": entry.sealed} for entry in entries]
        print(json.dumps({"file": str(sheet.path), "key": sheet.key_id, "secrets": names}))
        return
    for entry in entries:
        print(entry.name if entry.sealed else f"{entry.name}  (not encrypted: {SET} {entry.name})")


def _check(*, as_json: bool) -> int:
    path = secrets_path()
    try:
        store = open_store(path, os.environ)
        names = list(store.secrets())
    except ConfigurationError as error:
        if not as_json:
            raise
        problems = [asdict(problem) for problem in error.problems]
        print(json.dumps({"ok": False, "file": str(path), "problems": problems}))
        return 1
    if as_json:
        print(json.dumps({"ok": True, "file": str(path), "secrets": names, "problems": []}))
    else:
        plural = "" if len(names) == 1 else "s"
        print(
            f"ok: {len(names)} secret{plural}, sealed with the key {store.key.id} "
            f"({store.found.source})"
        )
    return 0


def _rotate() -> None:
    path = secrets_path()
    old, new = rotate(path, os.environ)
    print(f"{path}: sealed with the new key {new.key.id} ({new.source})")
    print("Give the new key to everyone who had the old one, and to CI.")
    if old.file:
        print(f"The old key is kept for earlier commits: {archived(old.file, old.key.id)}")
    print("Who has the old key can still read the values in earlier commits: if it leaked,")
    print("change the secrets themselves, too.")
