"""`python -m configs migrate OLD_INVENTORY [OLD_STATE]`, but for the record of the old state."""

import argparse
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from configs.loader import inventory_path
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


@dataclass(frozen=True)
class Plan:
    """Everything that will be written, and where; made without writing anything."""

    migration: Migration
    state: OldDeployment | None
    inventory: Path
    secrets: Path
    force: bool

    @property
    def text(self) -> str:
        """The new inventory's text."""
        data = self.migration.inventory
        return _HEADER + yaml.safe_dump(data, sort_keys=False, allow_unicode=True)

    def store_secrets(self) -> None:
        """Encrypt the secrets, if there are any. Raises ConfigurationError before it does."""
        if self.migration.secrets:
            _store(self.migration.secrets, self.secrets, force=self.force)

    def write_inventory(self) -> None:
        """Write the new inventory. Raises ConfigurationError."""
        write_whole(self.inventory, self.text, 0o644)


def plan(chosen: argparse.Namespace) -> Plan:
    """Convert and check; writes nothing. Raises ConfigurationError."""
    output = chosen.output
    made = Plan(
        migration=convert(chosen.inventory),
        state=read_old_state(chosen.state) if chosen.state else None,
        inventory=output / "inventory.yaml" if output else inventory_path(),
        secrets=output / ".secrets.env" if output else secrets_path(),
        force=chosen.force,
    )
    _check_destination(made.inventory, made.text, chosen)
    return made


def report(plan: Plan, record: Path | None, notes: Sequence[str], *, as_json: bool) -> str:
    """What was written and what became of each line.

    record: the old state's place in the history, if it has one; notes: whole sentences.
    """
    return _json(plan, record, notes) if as_json else _text(plan, record, notes)


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


def _text(plan: Plan, record: Path | None, notes: Sequence[str]) -> str:
    migration = plan.migration
    written = [f"{shown(plan.inventory)}: written"]
    if migration.secrets:
        written.append(f"{shown(plan.secrets)}: {len(migration.secrets)} stored")
    if record:
        written.append(f"{shown(record)}: the first record of the history")
    report = [*written, "", migration.old, *_lines(migration), *_last_deployment(plan.state), ""]
    report += [*notes, *_warnings(migration), "The old files are as they were."]
    return "\n".join([*report, "Next: python -m configs check"])


def _lines(migration: Migration) -> list[str]:
    width = max(len(line.key) for line in migration.lines)
    words = {"moved": "→ ", "secret": "→ encrypted as ", "dropped": "dropped: "}
    return [
        f"  line {line.line:<4} {line.key:<{width}}  {words[line.fate]}{line.what}"
        for line in migration.lines
    ]


def _last_deployment(state: OldDeployment | None) -> list[str]:
    if state is None:
        return []
    begun = f"The last deployment of version 4 was started {state.started_at or '-'}"
    targets = [
        f"  {name}: {target.status} {target.completed_at}".rstrip()
        for name, target in state.targets.items()
    ]
    return ["", f"{begun}: {state.status}", *targets]


def _json(plan: Plan, record: Path | None, notes: Sequence[str]) -> str:
    report: dict[str, Any] = {
        "inventory": str(plan.inventory),
        "secrets_file": str(plan.secrets),
        "record": str(record) if record else None,
        "secrets": list(plan.migration.secrets),
        "lines": [asdict(line) for line in plan.migration.lines],
        "state": asdict(plan.state) if plan.state else None,
        "notes": list(notes),
        "warnings": _warnings(plan.migration),
    }
    return json.dumps(report, indent=2)
