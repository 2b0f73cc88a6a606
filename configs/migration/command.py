"""`python -m configs migrate OLD_INVENTORY [OLD_STATE]`."""

import argparse
import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from configs.loader import INVENTORY
from configs.migration.old_inventory import Migration, convert
from configs.migration.old_state import OldDeployment, read_old_state
from configs.problems import ConfigurationError, Problem, shown
from configs.secrets.files import reason, refusal, write_whole
from configs.secrets.initialising import initialise
from configs.secrets.secret import Secret
from configs.secrets.sheet import SET
from configs.secrets.store import Store, changing, secrets_path

_HEADER = """\
# Your servers, taken over from an inventory of version 4. defaults.yaml lists all settings.
# No secret belongs in this file, and no hardware either: it is detected.

"""


def run(chosen: argparse.Namespace) -> None:
    """Convert, write and report. Raises ConfigurationError, and then has written nothing.

    Secrets are stored before the inventory is written: a kill in between loses nothing.
    """
    migration = convert(chosen.inventory)
    state = read_old_state(chosen.state) if chosen.state else None
    inventory = chosen.output / "inventory.yaml" if chosen.output else INVENTORY
    secrets = chosen.output / ".secrets.env" if chosen.output else secrets_path()
    text = _HEADER + yaml.safe_dump(migration.inventory, sort_keys=False, allow_unicode=True)
    _check_destination(inventory, text, chosen)
    if migration.secrets:
        _store(migration.secrets, secrets, force=chosen.force)
    write_whole(inventory, text, 0o644)
    written = (inventory, secrets)
    print(_json(migration, state, written) if chosen.json else _text(migration, state, written))


def _check_destination(inventory: Path, text: str, chosen: argparse.Namespace) -> None:
    if not os.path.exists(inventory):
        return
    if os.path.samefile(inventory, chosen.inventory):
        raise refusal(
            inventory,
            "",
            "the old inventory itself",
            "another place for the new one: the old files stay as they are",
            "give --output DIR, or move the old file somewhere else first",
        )
    try:
        identical = inventory.read_text(encoding="utf-8") == text
    except UnicodeDecodeError:
        identical = False
    except OSError as error:
        raise refusal(
            inventory, "", reason(error), "a file that you can read", "give --output DIR"
        ) from None
    if not identical and not chosen.force:
        raise refusal(
            inventory,
            "",
            "a file that differs from the new inventory",
            "no such file yet",
            "give --output DIR to look at the new one first, or --force to replace this file",
        )


def _store(secrets: Mapping[str, Secret], path: Path, *, force: bool) -> None:
    if not os.path.exists(path):
        initialise(path, os.environ)
    with changing(path, os.environ) as store:
        present = _present(store, secrets)
        differing = [name for name, secret in present.items() if secret != secrets[name]]
        if differing and not force:
            raise ConfigurationError([_differs(path, name) for name in differing])
        new = {
            name: secret.reveal() for name, secret in secrets.items() if present.get(name) != secret
        }
        if new:
            store.write(new)


def _present(store: Store, secrets: Mapping[str, Secret]) -> dict[str, Secret]:
    names = [entry.name for entry in store.sheet.entries() if entry.name in secrets]
    return {name: store.secret(name) for name in names}


def _differs(path: Path, name: str) -> Problem:
    return Problem(
        shown(path),
        name,
        "another value than the old inventory's",
        "no such secret yet, or the same value",
        "give --force to take the old inventory's value, or remove it from a copy of that file",
    )


def _warnings(migration: Migration) -> list[str]:
    return [
        f"{name}: it stands in {migration.old} and in every commit and copy of that file, in "
        f"plain text. Change it where it is used, then: {SET} {name}"
        for name in migration.secrets
    ]


def _text(migration: Migration, state: OldDeployment | None, written: tuple[Path, Path]) -> str:
    inventory, secrets = written
    width = max(len(line.key) for line in migration.lines)
    words = {"moved": "→ ", "secret": "→ encrypted as ", "dropped": "dropped: "}
    report = [f"{shown(inventory)}: written", f"{shown(secrets)}: {len(migration.secrets)} stored"]
    report = report if migration.secrets else report[:1]
    report += ["", migration.old]
    report += [
        f"  line {line.line:<4} {line.key:<{width}}  {words[line.fate]}{line.what}"
        for line in migration.lines
    ]
    if state:
        report += [
            "",
            f"The last deployment of version 4 was started {state.started_at or '-'}: "
            f"{state.status}",
        ]
        report += [
            f"  {name}: {target.status} {target.completed_at}".rstrip()
            for name, target in state.targets.items()
        ]
    report += ["", *_warnings(migration), "The old files are as they were."]
    return "\n".join([*report, "Next: python -m configs check"])


def _json(migration: Migration, state: OldDeployment | None, written: tuple[Path, Path]) -> str:
    report: dict[str, Any] = {
        "inventory": str(written[0]),
        "secrets_file": str(written[1]),
        "secrets": list(migration.secrets),
        "lines": [asdict(line) for line in migration.lines],
        "state": asdict(state) if state else None,
        "warnings": _warnings(migration),
    }
    return json.dumps(report, indent=2)
