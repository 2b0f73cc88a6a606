"""A copy of the project to deploy from: the records of its runs are nobody else's."""

import copy
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from configs.secrets import load_secrets, secrets_path
from configs.secrets.initialising import initialise
from configs.secrets.store import changing
from state.record import Record
from tests.copies import copy_project
from tests.e2e.command import PYINFRA, Command, Outcome
from tests.lab import Lab
from tests.terminal import Session

# In the environment: everything is asked one by one.
ALONE = {"CHOM_FACTS": "alone"}
DEPLOY = ("inventory.py", "deploy.py")
LIMIT_S = 900.0
CI_SYSTEMS = ("CI", "GITHUB_ACTIONS", "GITLAB_CI")


class Project:
    """The project's files in a folder of their own, for the machines of one lab."""

    def __init__(self, folder: Path, lab: Lab) -> None:
        self.folder = folder
        self.lab = lab
        self._written = 0
        # Outside of the project, as every key must be.
        self.secrets_env = {
            "CHOM_SECRETS_FILE": str(folder / "configs" / ".secrets.env"),
            "CHOM_SECRETS_KEY_FILE": str(folder.with_name(f"{folder.name}-key") / "secrets.key"),
        }
        self._started: list[Command] = []
        copy_project(folder)

    @property
    def state(self) -> Path:
        """Where the records are."""
        return self.folder / ".deploy-state"

    def inventory(self, changes: Mapping[str, Any] | None = None) -> Path:
        """Write the lab's inventory with ``changes``, by dotted key, and return its path."""
        data = yaml.safe_load(self.lab.inventory.read_text())
        data["ssh"]["key"] = str(self.lab.login.key)
        data["ssh"]["known_hosts"] = str(self.lab.login.known_hosts)
        for key, value in (changes or {}).items():
            *parents, last = key.split(".")
            place = data
            for name in parents:
                place = place.setdefault(name, {})
            place[last] = copy.deepcopy(value)
        self._written += 1
        path = self.folder / f"inventory-{self._written}.yaml"
        path.write_text(yaml.safe_dump(data, sort_keys=False))
        return path

    def start(
        self,
        *arguments: str,
        changes: Mapping[str, Any] | None = None,
        inventory: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Command:
        """Start ``pyinfra`` with ``arguments`` on an inventory: the lab's own, with ``changes``.

        ``env``: what its environment has beside this process's, where nothing tunes a deploy.
        """
        path = inventory or self.inventory(changes)
        command = Command(arguments, self.folder, self._environment(path, env or {}))
        self._started.append(command)
        return command

    def pyinfra(
        self,
        *arguments: str,
        changes: Mapping[str, Any] | None = None,
        inventory: Path | None = None,
        env: Mapping[str, str] | None = None,
        timeout_s: float = LIMIT_S,
    ) -> Outcome:
        """The same as ``start``, to its end."""
        command = self.start(*arguments, changes=changes, inventory=inventory, env=env)
        return command.wait(timeout_s)

    def deploy(
        self,
        *arguments: str,
        changes: Mapping[str, Any] | None = None,
        inventory: Path | None = None,
        env: Mapping[str, str] | None = None,
        timeout_s: float = LIMIT_S,
    ) -> Outcome:
        """``pyinfra inventory.py deploy.py`` with ``-y``, or with other ``arguments``."""
        given = arguments or ("-y",)
        return self.pyinfra(
            *DEPLOY, *given, changes=changes, inventory=inventory, env=env, timeout_s=timeout_s
        )

    def on_terminal(self, *arguments: str) -> Session:
        """Start ``pyinfra`` with ``arguments`` on a terminal, on the lab's own inventory."""
        environment = self._environment(self.inventory(), {})
        return Session([str(PYINFRA), *arguments], self.folder, environment)

    def state_command(self, *arguments: str, inventory: Path | None = None) -> Outcome:
        """``python -m state`` with ``arguments``, on the lab's inventory; the end of it."""
        return self._python("state", arguments, inventory)

    def configs_command(self, *arguments: str, inventory: Path | None = None) -> Outcome:
        """``python -m configs`` with ``arguments``, on the lab's inventory; the end of it."""
        return self._python("configs", arguments, inventory)

    def _python(self, package: str, arguments: Sequence[str], inventory: Path | None) -> Outcome:
        done = subprocess.run(
            [sys.executable, "-m", package, *arguments],
            cwd=self.folder,
            env=self._environment(inventory or self.inventory(), {}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
        )
        outcome = Outcome((package, *arguments), done.returncode, done.stdout, done.stderr)
        assert "Traceback" not in outcome.text, outcome
        return outcome

    def _environment(self, inventory: Path, env: Mapping[str, str]) -> dict[str, str]:
        plain = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("CHOM_", "PYINFRA_")) and name not in CI_SYSTEMS
        }
        return {**plain, **self.secrets_env, "CHOM_INVENTORY": str(inventory), **env}

    def secrets(self) -> dict[str, str]:
        """The values of all secrets that there are now."""
        loaded = load_secrets(environ=self.secrets_env)
        return {name: secret.reveal() for name, secret in loaded.items()}

    def set_secrets(self, values: Mapping[str, str | None]) -> None:
        """Store values, as ``secrets set`` would; None takes one out of the file."""
        path = secrets_path(self.secrets_env)
        if not path.exists():
            initialise(path, self.secrets_env)
        with changing(path, self.secrets_env) as store:
            store.write(values)

    def kill_all(self) -> None:
        """End every command that is still running: of a test that did not wait for it."""
        for command in self._started:
            command.kill()
        self._started.clear()

    def records(self) -> list[Record]:
        """All records, oldest first; each must be valid."""
        paths = sorted((self.state / "history").glob("*.json"))
        return [Record.model_validate_json(path.read_bytes()) for path in paths]

    def record(self) -> Record:
        """The record that ``current.json`` points to; it must be valid."""
        return Record.model_validate_json((self.state / "current.json").read_bytes())


def changed(record: Record) -> dict[tuple[str, str], int]:
    """The (target, component) pairs that changed something, with how many operations did."""
    return {
        (target, component): found.changed
        for target, its in record.targets.items()
        for component, found in its.components.items()
        if found.changed
    }
