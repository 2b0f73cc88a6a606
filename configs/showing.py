"""Every effective setting of a target, and where it was written; never a secret."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Literal

from configs.documents import Document, Location
from configs.loader import Configuration
from configs.merging import Sources
from configs.problems import ConfigurationError, Problem

Layer = Literal["built in", "defaults", "pins", "inventory", "target", "environment", "data"]


@dataclass(frozen=True)
class Effective:
    """One value in force.

    key: dotted, below the target. layer: which of the layers it comes from.
    file, place: where it is written; both empty if nowhere, so that it is built in.
    """

    key: str
    value: Any
    layer: Layer
    file: str = ""
    place: str = ""

    @property
    def source(self) -> str:
        """Where it comes from, in a few words."""
        if self.layer in ("built in", "defaults"):
            return self.file or self.layer
        return f"{self.file}: {self.place}"


Targets = dict[str, list[Effective]]


def effective(configuration: Configuration, sources: Sources, name: str | None = None) -> Targets:
    """The settings of every target, or of one. Raises ConfigurationError if there is none."""
    if name is not None and name not in configuration.targets:
        raise ConfigurationError([_unknown(name, list(configuration.targets), sources)])
    return {
        target.name: [
            _origin(sources, ("targets", target.name), path, value)
            for path, value in _leaves(target.model_dump(mode="json", exclude={"name"}))
        ]
        for target in configuration.targets.values()
        if name in (None, target.name)
    }


def as_text(targets: Targets) -> str:
    """A table for each target."""
    return "\n\n".join("\n".join(_table(name, rows)) for name, rows in targets.items())


def as_json(targets: Targets) -> str:
    """The same as JSON: targets, their settings, and of each its value, layer, file and place."""
    document = {
        name: {
            row.key: {"value": row.value, "layer": row.layer, "file": row.file, "place": row.place}
            for row in rows
        }
        for name, rows in targets.items()
    }
    return json.dumps({"targets": document}, indent=2)


def _leaves(section: dict[str, Any], above: tuple[str, ...] = ()) -> Iterator[Any]:
    for key, value in section.items():
        if isinstance(value, dict):
            yield from _leaves(value, (*above, key))
        elif (*above, key) != ("specs",):  # none are stated
            yield (*above, key), value


def _origin(sources: Sources, target: Location, path: tuple[str, ...], value: Any) -> Effective:
    document, place = sources.origin((*target, *path))
    key = ".".join(path).removeprefix("settings.")
    if not document.holds(place):
        return Effective(key, value, "built in")
    return Effective(
        key, value, _layer(sources, document, place), document.file, document.key(place)
    )


def _layer(sources: Sources, document: Document, place: Location) -> Layer:
    if document is sources.defaults:
        return "defaults"
    if document is sources.versions:
        return "pins"
    if document is sources.inventory:
        return "target" if place[0] == "targets" else "inventory"
    return "environment" if document is sources.overrides[0] else "data"


def _table(name: str, rows: Sequence[Effective]) -> Iterator[str]:
    values = [json.dumps(row.value, ensure_ascii=False) for row in rows]
    # A checksum is longer than all others; it does not push the last column away for them.
    key_width = max(len(row.key) for row in rows)
    value_width = max(len(value) for value in values if len(value) <= 40)
    yield name
    for row, value in zip(rows, values, strict=True):
        yield f"  {row.key:<{key_width}}  {value:<{value_width}}  {row.source}"


def _unknown(name: str, known: list[str], sources: Sources) -> Problem:
    near = get_close_matches(name, known, n=1)
    remedy = f"did you mean {near[0]}?" if near else "name one of these, or none for all"
    expected = f"one of: {', '.join(known)}"
    return Problem(sources.inventory.file, "targets", f"no target {name}", expected, remedy)
