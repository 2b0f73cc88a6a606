"""The documents' commands do on real machines what the documents say; so do the examples for CI."""

import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.documents import CONFIRMED, Command, run, terminal, to_run
from tests.e2e.platform import Platform
from tests.e2e.project import Project
from tests.e2e.shop import Shop
from tests.lab import Lab

# Whose commands come first make the machines that all others need; the last one takes away.
FIRST, LAST = "getting-started.md", "day-two.md"
TYPED = "what is asked for\n"
# The addresses of the documents → the machines of the lab.
ADDRESSES = {"203.0.113.10": "observability", "203.0.113.20": "vpsmanager"}


@dataclass(frozen=True)
class Desk:
    """An operator's computer: a home, a clone of the project, and what stands for what there."""

    platform: Platform
    env: Mapping[str, str]
    substitutions: Mapping[str, str]

    def follow(self, commands: list[Command], more: Mapping[str, str] | None = None) -> None:
        """Do what a document says, in order; ``more``: of the environment."""
        folder = self.platform.project.folder
        for key in (folder / "keys").glob("chom_deploy_key*"):
            if any(command.text.startswith("ssh-keygen -q") for command in commands):
                key.unlink()
        for command in commands:
            current = {r"\ba1b2c3\b": self._current_id()}
            run(
                command,
                folder,
                {**self.env, **(more or {})},
                {**self.substitutions, **current},
                TYPED,
            )

    def _current_id(self) -> str:
        """The random end of the newest record's id."""
        current = self.platform.project.state / "current.json"
        return current.resolve().stem.rsplit("-", 1)[1] if current.exists() else "none"


@pytest.fixture(scope="module")
def desk(lab: Lab, platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """One with fresh machines, which are the shared platform's as well."""
    platform.unsettle()
    home, tools, folder = (tmp_path_factory.mktemp(name) for name in ("home", "tools", "clone"))
    project = Project(folder, lab)
    own = Platform(lab, project)
    own.refresh()
    (folder / "keys").mkdir()
    (home / ".ssh").mkdir()
    _write_inventory(project)
    _let_ssh_live_in(home, tools, lab)
    usual = terminal(home)
    env = {**usual, **project.secrets_env, "PATH": f"{tools}:{usual['PATH']}"}
    yield Desk(own, env, _substitutions(lab))
    # The records of these machines go with this clone.
    own.refresh()


def _write_inventory(project: Project) -> None:
    """The lab's servers as docs/getting-started.md has an operator write them."""
    document = yaml.safe_load(project.lab.inventory.read_text())
    document["ssh"] = {"user": "root", "key": "keys/chom_deploy_key"}
    (project.folder / "configs" / "inventory.yaml").write_text(yaml.safe_dump(document))


def _let_ssh_live_in(home: Path, tools: Path, lab: Lab) -> None:
    """Let ssh look in this home, which it takes from the system's list of users otherwise.

    It logs in by the lab's key, where a provider would have let an operator in.
    """
    config = home / ".ssh" / "config"
    config.write_text(
        f"UserKnownHostsFile {home}/.ssh/known_hosts\nIdentityFile {lab.login.key.resolve()}\n"
    )
    (home / ".ssh" / "known_hosts").touch()
    ssh = tools / "ssh"
    ssh.write_text(f'#!/bin/sh\nexec /usr/bin/ssh -F {config} "$@"\n')
    ssh.chmod(stat.S_IRWXU)


def _substitutions(lab: Lab) -> dict[str, str]:
    """What a document says → what is run here instead."""
    return {
        **{address: lab.machine(name).address for address, name in ADDRESSES.items()},
        # As the lab's own key lets us in, this one would be taken for known.
        r"^ssh-copy-id ": "ssh-copy-id -f ",
        **CONFIRMED,
    }


def _in_order(words: str) -> Iterator[object]:
    found = sorted(to_run(words), key=lambda each: (each[0] == LAST, each[0] != FIRST))
    return (pytest.param(commands, id=name) for name, commands in found)


@pytest.mark.parametrize("commands", list(_in_order("lab")))
def test_commands_of_a_document_work(desk: Desk, commands: list[Command]) -> None:
    desk.follow(commands)


@pytest.mark.drill
@pytest.mark.parametrize("commands", list(_in_order("lab slow")))
def test_those_that_take_a_minute_or_more_work_too(
    desk: Desk, commands: list[Command], tmp_path: Path
) -> None:
    desk.platform.settle()
    shop = Shop(desk.platform, tmp_path / "shop")
    shop.deploy()
    shop.edit()
    shop.deploy()
    inventory = desk.platform.project.inventory(shop.changes())
    desk.follow(commands, {"CHOM_INVENTORY": str(inventory)})
