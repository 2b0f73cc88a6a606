"""What is ours on a target: everything that its records say we created, less what we took away."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from state.record import Record, ResourcesCreated

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


def owned(records: Iterable[Record], target: str, before: Iterable[Owned] = ()) -> list[Owned]:
    """What is ours on ``target``, in the order of its creation.

    ``records``: oldest first. ``before``: what was ours already before the first of them.
    """
    found = {(each.kind, each.name): each for each in before}
    for record in records:
        its = record.targets.get(target)
        if its is None:
            continue
        for name, component in its.components.items():
            for created in component.created:
                _add(found, created.kind, created.name, name, record.deployment_id)
        if record.version == "5.0":
            for kind, created_name in _by_kind(its.resources_created):
                _add(found, kind, created_name, None, record.deployment_id)
        for name, component in its.components.items():
            for removed in component.removed:
                _remove(found, removed.kind, removed.name, name)
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
