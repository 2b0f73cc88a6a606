"""What differs between two snapshots: settings, by target, or any other nested values."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Snapshot = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Change:
    """A value that differs. ``key``: dotted. ``targets``: where; none: on all of them.

    ``old``, ``new``: as JSON has them, None where ``absent`` says so ("old" or "new").
    """

    key: str
    old: Any
    new: Any
    absent: str = ""
    targets: tuple[str, ...] = ()

    def __str__(self) -> str:
        where = f" ({', '.join(self.targets)})" if self.targets else ""
        old, new = (
            "not there" if self.absent == side else _shown(value)
            for side, value in (("old", self.old), ("new", self.new))
        )
        return f"{self.key}{where}: {old} → {new}"


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Change]:
    """What differs between two nested values, in the order of the new one, then of the old one."""
    before, after = dict(_leaves(old)), dict(_leaves(new))
    return [
        Change(
            key,
            before.get(key),
            after.get(key),
            "old" if key not in before else "new" if key not in after else "",
        )
        for key in dict.fromkeys([*after, *before])
        if (key in before) != (key in after) or _differ(before.get(key), after.get(key))
    ]


def by_target(old: Snapshot, new: Snapshot) -> list[Change]:
    """What differs on the targets that both know; what is the same on all of them, told once."""
    both = [name for name in new if name in old]
    found: dict[str, dict[str, Change]] = {}
    for name in both:
        for change in changes(old[name], new[name]):
            found.setdefault(change.key, {})[name] = change
    return [change for by_name in found.values() for change in _together(by_name, both)]


def _together(by_name: Mapping[str, Change], all_names: Sequence[str]) -> Iterator[Change]:
    """One change for all targets on which it is the same."""
    groups: list[tuple[Change, list[str]]] = []
    for name, change in by_name.items():
        group = next((names for each, names in groups if each == change), None)
        if group is None:
            groups.append((change, [name]))
        else:
            group.append(name)
    for change, names in groups:
        where = () if len(names) == len(all_names) else tuple(names)
        yield Change(change.key, change.old, change.new, change.absent, where)


def _leaves(section: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in section.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def _differ(old: Any, new: Any) -> bool:
    """To Python, true is 1."""
    return bool(old != new) or isinstance(old, bool) != isinstance(new, bool)


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
