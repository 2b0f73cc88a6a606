"""What is ours on a target: everything that its records say we created, less what we took away."""

from collections.abc import Iterable, Mapping, Sequence
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
    """What a deployment did to what is ours, by target; without those where it did nothing.

    The machine of a target is told all the same, so that the name by which it goes is known.
    """
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
        machine = _machine(target.hardware) if target.components else ""
        if created or removed or machine:
            found[name] = Effects(machine=machine, created=created, removed=removed)
    return found


def _machine(hardware: "dict[str, Any] | _Hardware | None") -> str:
    if isinstance(hardware, _Hardware):
        return hardware.machine
    return str((hardware or {}).get("machine", ""))


def owned(records: Iterable[Record], target: str) -> list[Owned]:
    """What is ours on ``target``, in the order of its creation. ``records``: oldest first."""
    return add_up(concerning([(each.deployment_id, effects(each)) for each in records], target))


def concerning(
    history: Sequence[tuple[str, Mapping[str, Effects]]], target: str, machine: str = ""
) -> list[tuple[str, Effects]]:
    """What deployments did to the machine that a target is, under whatever name; oldest first.

    + history: the id of each deployment, and what it did by target; oldest first
    + machine: which one the target is now, if that is known; otherwise the one it was last
    """
    machines = _machines(history)
    present = machine or last_machine(history, target)

    def is_meant(deployment_id: str, name: str) -> bool:
        told = machines[deployment_id, name]
        return told == present if told else name == target

    return [
        (deployment_id, each)
        for deployment_id, targets in history
        for name, each in targets.items()
        if is_meant(deployment_id, name)
    ]


def last_machine(history: Iterable[tuple[str, Mapping[str, Effects]]], target: str) -> str:
    """The machine that a target was when something of ours changed on it last; or nothing."""
    told = [each[target].machine for _, each in history if target in each]
    return next(filter(None, reversed(told)), "")


def former_name(
    history: Iterable[tuple[str, Mapping[str, Effects]]], target: str, machine: str
) -> str:
    """The name by which a machine was known last, if that is not the target's; or nothing."""
    told = [name for _, each in history for name, its in each.items() if its.machine == machine]
    return told[-1] if machine and told and told[-1] != target else ""


def present_names(history: Sequence[tuple[str, Mapping[str, Effects]]]) -> list[str]:
    """The targets that something is known of, each machine by its last name alone."""
    names = list(dict.fromkeys(name for _, each in history for name in each))
    last = {each.machine: name for _, targets in history for name, each in targets.items()}
    return [
        name
        for name in names
        if not (machine := last_machine(history, name)) or last[machine] == name
    ]


def _machines(
    history: Iterable[tuple[str, Mapping[str, Effects]]],
) -> dict[tuple[str, str], str]:
    """Deployment and target → the machine. One that does not tell had the one before, or after."""
    found: dict[tuple[str, str], str] = {}
    last: dict[str, str] = {}
    untold: dict[str, list[str]] = {}
    for deployment_id, targets in history:
        for name, each in targets.items():
            if each.machine:
                found.update(dict.fromkeys(((key, name) for key in untold.pop(name, [])),
                                           each.machine))  # fmt: skip
                last[name] = each.machine
            elif name not in last:
                untold.setdefault(name, []).append(deployment_id)
            found[deployment_id, name] = last.get(name, "")
    return found


def add_up(told: Iterable[tuple[str, Effects]]) -> list[Owned]:
    """What is ours after these deployments of one machine, each with its id, oldest first."""
    found: dict[tuple[str, str], Owned] = {}
    for deployment_id, each in told:
        for kind, name, component in each.created:
            _add(found, kind, name, component, deployment_id)
        for kind, name, component in each.removed:
            _remove(found, kind, name, component)
    return list(found.values())


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
