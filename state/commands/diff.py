"""What changed between two deployments: settings, versions, resources and hardware.

Either ID may be shortened to any part of its beginning or its random end; current and previous are
names. Resources are what is ours after each of them.

--json: {"old": ID, "new": ID, "targets": {"added": […], "removed": […]}, "settings": [CHANGE, …],
"versions": [CHANGE, …], "hardware": [CHANGE, …], "resources": {TARGET: {"created": [RESOURCE, …],
"removed": [RESOURCE, …]}}}. CHANGE: {"key", "old", "new", "absent": "old", "new" or "",
"targets": where it differs so, none: on all of them}. RESOURCE: {"kind", "name"}.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from state.commands import terminal
from state.commands.terminal import say
from state.comparing import Change, by_target
from state.naming import read
from state.owned import Owned, add_up, concerning, last_machine, present_names
from state.record import Record
from state.store import Store

HELP = "what changed between two deployments"
# What is never the same twice, and nobody changed.
_PASSING = frozenset({"detected_at", "disk_free_gb", "disk_free_mb"})


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    for name in ("old", "new"):
        parser.add_argument(name, metavar="ID", help="an id, a part of it, current or previous")


@dataclass(frozen=True)
class _Resources:
    """What became ours between the two on a target, and what is ours no more."""

    created: list[Owned]
    removed: list[Owned]


def run(chosen: argparse.Namespace, store: Store) -> int:
    """Print what differs. Raises Refusal."""
    old, new = read(store, chosen.old), read(store, chosen.new)
    parts = {
        "settings": by_target(old.config.settings, new.config.settings),
        "versions": by_target(_versions(old), _versions(new)),
        "hardware": by_target(_hardware(old), _hardware(new)),
    }
    resources = _resources(store, old.deployment_id, new.deployment_id)
    added = [name for name in new.targets if name not in old.targets]
    removed = [name for name in old.targets if name not in new.targets]
    if chosen.json:
        terminal.document(
            {
                "old": old.deployment_id,
                "new": new.deployment_id,
                "targets": {"added": added, "removed": removed},
                **{name: [asdict(each) for each in found] for name, found in parts.items()},
                "resources": {
                    name: {"created": _plain(each.created), "removed": _plain(each.removed)}
                    for name, each in resources.items()
                },
            }
        )
        return 0
    if not (any(parts.values()) or resources or added or removed):
        say(f"Nothing differs between {old.deployment_id} and {new.deployment_id}.")
        return 0
    say(f"from {old.deployment_id} to {new.deployment_id}")
    for name in added:
        say(f"target {name}: only in the second one")
    for name in removed:
        say(f"target {name}: only in the first one")
    _print(parts, resources)
    return 0


def _print(parts: Mapping[str, Sequence[Change]], resources: Mapping[str, _Resources]) -> None:
    for title, found in parts.items():
        if found:
            say(title)
        for change in found:
            say(str(change), indent=1)
    if resources:
        say("resources")
    for name, each in resources.items():
        for mark, colour, owned in (("+", "green", each.created), ("-", "red", each.removed)):
            for resource in owned:
                say(f"{mark} {name}: {resource.kind} {resource.name}", colour, indent=1)


def _versions(record: Record) -> dict[str, dict[str, Any]]:
    return {
        name: {key: each.version for key, each in target.components.items() if each.version}
        for name, target in record.targets.items()
    }


def _hardware(record: Record) -> dict[str, dict[str, Any]]:
    return {
        name: {key: value for key, value in target.hardware.items() if key not in _PASSING}
        for name, target in record.targets.items()
        if target.hardware
    }


def _resources(store: Store, old: str, new: str) -> dict[str, _Resources]:
    told = list(store.effects().items())
    found = {}
    for target in present_names(told):
        machine = last_machine(told, target)
        before, after = (
            add_up(concerning([each for each in told if each[0] <= at], target, machine))
            for at in (old, new)
        )
        keys = [{(each.kind, each.name) for each in owned} for owned in (before, after)]
        created = [each for each in after if (each.kind, each.name) not in keys[0]]
        removed = [each for each in before if (each.kind, each.name) not in keys[1]]
        if created or removed:
            found[target] = _Resources(created, removed)
    return found


def _plain(owned: Sequence[Owned]) -> list[dict[str, str]]:
    return [{"kind": each.kind, "name": each.name} for each in owned]
