"""What is ours on a target: everything that its records say we created, less what we took away."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel, Field

from state.reading import Extract
from state.record import Record, Resource, ResourcesCreated

# The kinds of records without an order, in one in which they may have been created.
_KINDS = (
    "packages",
    "users",
    "directories",
    "artifacts",
    "files",
    "databases",
    "firewall_rules",
    "services",
)


@dataclass(frozen=True)
class Owned:
    """A resource of ours. ``components``: those that it was created for; of records of schema 5.0
    they are not known. ``since``: the deployment that created it.
    """

    kind: str
    name: str
    components: tuple[str, ...]
    since: str


class Effects(BaseModel):
    """What one deployment did to what is ours on one target: kind, name and component of each.

    In order; all that was created comes before all that was removed. ``machine``: to which one;
    empty where that is not known.
    """

    machine: str = ""
    created: list[tuple[str, str, str | None]] = []
    removed: list[tuple[str, str, str]] = []


class _Component(BaseModel):
    created: list[Resource] = []
    removed: list[Resource] = []


class _Hardware(BaseModel):
    machine: str = ""


class _Target(BaseModel):
    hardware: _Hardware | None = None
    components: dict[str, _Component] = {}
    resources_created: ResourcesCreated = ResourcesCreated()


class Made(Extract):
    """The part of a record that tells what it created and removed."""

    targets: dict[str, _Target] = Field(default_factory=dict)


def effects(record: Record | Made) -> dict[str, Effects]:
    """What a deployment did to what is ours, by target; without those where it did nothing."""
    found: dict[str, Effects] = {}
    for name, target in record.targets.items():
        created: list[tuple[str, str, str | None]] = [
            (each.kind, each.name, component_name)
            for component_name, component in target.components.items()
            for each in component.created
        ]
        if record.version == "5.0":
            created += [(*each, None) for each in _by_kind(target.resources_created)]
        removed = [
            (each.kind, each.name, component_name)
            for component_name, component in target.components.items()
            for each in component.removed
        ]
        if created or removed:
            machine = _machine(target.hardware)
            found[name] = Effects(machine=machine, created=created, removed=removed)
    return found


def _machine(hardware: "dict[str, Any] | _Hardware | None") -> str:
    if isinstance(hardware, _Hardware):
        return hardware.machine
    return str((hardware or {}).get("machine", ""))


def owned(records: Iterable[Record], target: str) -> list[Owned]:
    """What is ours on ``target``, in the order of its creation. ``records``: oldest first."""
    told = ((record.deployment_id, effects(record)) for record in records)
    return add_up((each_id, each[target]) for each_id, each in told if target in each)


def add_up(told: Iterable[tuple[str, Effects]], machine: str = "") -> list[Owned]:
    """What is ours after these deployments, each with its id, oldest first.

    What was created on a machine that has been replaced since, is not. ``machine``: the present
    one, where that is known.
    """
    found: dict[tuple[str, str], Owned] = {}
    last = ""
    for deployment_id, each in told:
        if _is_another(last, each.machine):
            found.clear()
        last = each.machine or last
        for kind, name, component in each.created:
            _add(found, kind, name, component, deployment_id)
        for kind, name, component in each.removed:
            _remove(found, kind, name, component)
    return [] if _is_another(last, machine) else list(found.values())


def _is_another(machine: str, other: str) -> bool:
    return bool(machine and other and machine != other)


def _remove(found: dict[tuple[str, str], Owned], kind: str, name: str, component: str) -> None:
    """Take a resource away from a component; from one that it was not created for, for good."""
    old = found.pop((kind, name), None)
    if old and component in old.components and len(old.components) > 1:
        left = tuple(each for each in old.components if each != component)
        found[kind, name] = replace(old, components=left)


def _add(
    found: dict[tuple[str, str], Owned], kind: str, name: str, component: str | None, since: str
) -> None:
    old = found.get((kind, name))
    components = (old.components if old else ()) + ((component,) if component else ())
    found[kind, name] = Owned(
        kind, name, tuple(dict.fromkeys(components)), old.since if old else since
    )


def _by_kind(created: ResourcesCreated) -> list[tuple[str, str]]:
    return [(kind, name) for kind in _KINDS for name in getattr(created, kind)]
