"""Applications that nobody watches yet: deployed without the server that would."""

from collections.abc import Collection, Mapping, Sequence
from itertools import islice
from typing import Any

from pydantic import BaseModel, Field

from configs import Target
from state.reading import Extract
from state.record import Record
from state.store import Store

# A server that was not deployed to for longer than that is taken for one that knows nothing.
LOOKS_BACK = 50
# What an observability target must know of an application in order to watch it.
WATCHED_BY = ("domain", "health")


class _Target(BaseModel):
    status: str


class _Config(BaseModel):
    settings: dict[str, dict[str, Any]]


class _Deployment(Extract):
    """The part of a record that tells who was deployed to, with which settings."""

    action: str
    config: _Config
    targets: dict[str, _Target] = Field(default_factory=dict)


def not_watched(record: Record, store: Store, targets: Sequence[Target]) -> list[str]:
    """Return a line for each target of a deployment whose applications are not watched yet."""
    observers = [target.name for target in targets if target.role == "observability"]
    if any(name in record.targets for name in observers):
        return []
    lines = []
    for target in targets:
        is_new = target.role != "observability" and target.name in record.targets
        apps = record.config.settings.get(target.name, {}).get("apps", {}) if is_new else {}
        if names := unwatched(store, target.name, apps, observers):
            lines.append(
                f"{target.name}: not watched yet: {', '.join(names)}; deploy"
                f" {' or '.join(observers)} as well, so that alerts know of it"
            )
    return lines


def unwatched(
    store: Store, target: str, apps: Mapping[str, Any], observers: Collection[str]
) -> list[str]:
    """Return the applications of a target that no observability target was told of as they are.

    + apps: name → settings, those that are about to be deployed
    + observers: names of the observability targets; without any, nobody is expected to watch
    """
    if not observers:
        return []
    for deployment_id in islice(reversed(store.ids()), LOOKS_BACK):
        told = store.extract(_Deployment, deployment_id)
        if told and told.action == "deploy" and _reached(told, observers):
            known = told.config.settings.get(target, {}).get("apps", {})
            return [
                name
                for name, app in apps.items()
                if name not in known
                or any(known[name].get(key) != app.get(key) for key in WATCHED_BY)
            ]
    return list(apps)


def _reached(told: _Deployment, observers: Collection[str]) -> bool:
    found = [told.targets[name] for name in observers if name in told.targets]
    return any(each.status == "completed" for each in found)
