"""What several unit tests build on: settings, machines, and runs on pyinfra's fake connector."""

import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from pyinfra.api import Config, Host, Inventory, State
from pyinfra.api.connect import connect_all
from pyinfra.api.state import StateStage

import configs
from configs.secrets import Needed, Secret, random_value
from facts.hardware import HardwareData, parse
from state.signing import RecordKey
from tasks.effects import Effect
from tests.unit.keys import PRIVATE_KEY
from tests.unit.test_hardware import SMALL_DEBIAN_13

# What stands for a secret that only the user can know.
KNOWN = 'only "you" know it'
INVENTORY = """\
targets:
  observability: {role: observability, address: 10.9.0.11}
  vpsmanager: {role: vpsmanager, address: 10.9.0.21}
settings: {network: {admin_networks: [10.9.0.1]}}
"""


@cache
def configuration(folder: Path, text: str = INVENTORY) -> configs.Configuration:
    """The settings of an inventory with ``text``, with a key and known hosts that are there."""
    key, known_hosts = folder / "key", folder / "known_hosts"
    key.touch(mode=0o600)
    key.write_text(PRIVATE_KEY)
    known_hosts.touch()
    inventory = folder / "inventory.yaml"
    inventory.write_text(f"ssh: {{user: root, key: {key}, known_hosts: {known_hosts}}}\n{text}")
    return configs.load(inventory, environ={})


def made_secrets(needs: Iterable[Needed]) -> dict[str, Secret]:
    """A value for each, as a run would make it; a fixed one where only the user knows it."""
    return {
        need.name: Secret(need.name, random_value(need.kind) if need.kind else KNOWN)
        for need in needs
        if not need.retired
    }


def hardware(**changes: Any) -> HardwareData:
    """A machine of 1 vCPU and 2 GB with Debian 13, but for ``changes``."""
    found = parse(SMALL_DEBIAN_13.splitlines(), datetime(2026, 11, 23, tzinfo=UTC))
    assert found is not None
    return HardwareData(**{**found, **changes})  # type: ignore[typeddict-item]


class ThisComputer:
    """A host whose facts this computer answers; it notes which it is asked for."""

    name = "this computer"
    print_prefix = ""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    def get_fact(self, fact: Any, **arguments: Any) -> Any:
        self.asked.append(fact)
        command = fact().command(**arguments).get_raw_value()
        done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
        return fact().process(done.stdout.splitlines())


def fake_state(
    names: Sequence[str],
    responses: Mapping[str, Any] | None = None,
    delays: Mapping[str, float] | None = None,
) -> State:
    """A pyinfra state with connected ``@fake`` hosts, ready to run operations.

    ``responses``: part of a command → its answer. ``delays``: host → what each of its commands
    takes, in seconds; nothing for the others.
    """
    common = {"fake_responses": dict(responses or {}), "fake_delay_jitter": 0}
    hosts = [
        (f"@fake/{name}", {**common, "fake_delay": (delays or {}).get(name, 0)}) for name in names
    ]
    inventory = Inventory((hosts, {}))
    state = State(inventory, Config(), check_for_changes=False)
    state.set_stage(StateStage.Connect)
    connect_all(state)
    state.set_stage(StateStage.Prepare)
    return state


@dataclass(frozen=True)
class Operation:
    """An operation of a fake lane."""

    hash: str
    label: str
    creates: tuple[tuple[str, str, str], ...] = ()
    removes: tuple[tuple[str, str, str], ...] = ()
    alone: bool = False
    effects: tuple[Effect, ...] = ()


# The key that signs the records of tests.
KEY = RecordKey("a key of the tests")


@dataclass
class Step:
    """A component of a fake lane."""

    component: str
    needs: tuple[str, ...] = ()
    version: str = "true"
    report: str = ""
    alone: bool = False
    tolerates: tuple[str, ...] = ()
    operations: list[Operation] = field(default_factory=list)


class Steady:
    """Links that are never lost."""

    def is_lost(self, host: Host) -> bool:
        return False

    def was_lost(self, host: Host) -> bool:
        return False

    def mend(self, host: Host) -> str | None:
        return None
