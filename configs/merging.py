"""Lays the inventory over the defaults, and remembers where every value was written."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from configs.documents import Document, Location
from configs.pins import PINNED, SECTIONS, package_of, read_versions, resolve

# Checksums of two versions must never mix, so these are taken as a whole, ...
REPLACED = frozenset({("prometheus", "sha256")})
# ... and those of the layers below are dropped by a section that sets another version.
_VERSIONED = ("prometheus",)
_APPS = ("apps",)


@dataclass(frozen=True)
class Sources:
    """What a configuration is made of.

    overrides: single settings that go before the files', for every target; later ones first.
    versions: versions.yaml, whose pins stand for every version that says `pinned`.
    """

    defaults: Document
    inventory: Document
    overrides: tuple[Document, ...] = ()
    versions: Document = field(default_factory=read_versions)

    def merged(self) -> dict[str, Any]:
        """The inventory with every target complete.

        An override goes before a target's own value, that before the common one, and that before
        the default. A section
        without content (`php:`) says nothing. What has the wrong shape stays as it is written,
        but only where it is written: the targets do without it.
        """
        written = self.inventory.data
        defaults = self.defaults.data
        common = {
            "ssh": merge({}, written.get("ssh")),
            "settings": merge(defaults, written.get("settings")),
        }
        inherited = {
            "ssh": merge({}, written.get("ssh"), strict=False),
            "settings": merge(defaults, written.get("settings"), strict=False),
        }
        result: dict[str, Any] = self._overridden({**written, **common})
        if isinstance(targets := written.get("targets"), dict):
            result["targets"] = {
                name: self._overridden(_complete(entry, inherited))
                for name, entry in targets.items()
            }
        return result

    def _overridden(self, entry: Any) -> Any:
        # An entry that is none is left as it is written, to be refused there.
        if not isinstance(entry, dict):
            return entry
        for document in self.overrides:
            entry = {**entry, **_laid(entry, document.data)}
        pins = self.versions.data.get("pins") or {}
        return {**entry, "settings": resolve(entry.get("settings"), pins)}

    def origin(self, location: Location) -> tuple[Document, Location]:
        """The file and the location in it where the merged value was written.

        For a value that is written nowhere: where it would belong.
        """
        document, place = self._written_at(location)
        pin = self._pin(location)
        if pin and (not document.holds(place) or document.at(place) == PINNED):
            return self.versions, pin
        return document, place

    def written(self, location: Location) -> Any:
        """The value as it is written, before a pin takes its place; None if it is nowhere."""
        document, place = self._written_at(location)
        return document.at(place) if document.holds(place) else None

    def _written_at(self, location: Location) -> tuple[Document, Location]:
        candidates = self._candidates(location)
        return next((place for place in candidates if place[0].holds(place[1])), candidates[-1])

    def _pin(self, location: Location) -> Location | None:
        """Where versions.yaml has the value of a version setting, or of a checksum."""
        if "settings" not in location:
            return None
        start = location.index("settings") + 1
        section, *rest = (*location[start:], "")
        if section not in SECTIONS.values() or rest[0] not in ("version", "sha256"):
            return None
        shipper = self.written((*location[:start], "logs", "shipper"))
        pin = ("pins", package_of(str(section), shipper), *location[start + 1 :])
        return pin if self.versions.holds(pin) else None

    def _candidates(self, location: Location) -> list[tuple[Document, Location]]:
        places = [(self.inventory, location)]
        if location[0] == "targets" and location[2:3] in (("ssh",), ("settings",)):
            location = location[2:]
            places.append((self.inventory, location))
        if location[0] == "settings":
            places.append((self.defaults, location[1:]))
            places = [*((each, location) for each in reversed(self.overrides)), *places]
        return places


def app_names(inventory: Mapping[str, Any]) -> list[str]:
    """The applications that an inventory names, of all targets or of one."""
    targets = inventory.get("targets")
    sections = [inventory, *(targets.values() if isinstance(targets, dict) else ())]
    names: dict[str, None] = {}
    for section in sections:
        settings = section.get("settings") if isinstance(section, dict) else None
        apps = settings.get("apps") if isinstance(settings, dict) else None
        names |= dict.fromkeys(apps if isinstance(apps, dict) else ())
    return list(names)


def merge(base: Any, over: Any, location: tuple[str, ...] = (), *, strict: bool = True) -> Any:
    """`over` on `base`: sections key by key, anything else as a whole.

    strict: keep what is written in place of a section and is none, instead of passing it over.
    """
    if not isinstance(base, dict) or location in REPLACED:
        return over
    if not isinstance(over, dict):
        return over if strict and over is not None else base
    merged = _without_checksums(base, over) if location == _VERSIONED else dict(base)
    for key, value in over.items():
        known = key in merged
        merged[key] = merge(merged[key], value, (*location, key), strict=strict) if known else value
    return merged


def _laid(base: Any, over: Any, location: tuple[str, ...] = ()) -> Any:
    """`over` on `base`, but for what stands in place of a section and is none."""
    if not isinstance(over, dict) or location[1:] in REPLACED:
        return over
    if not isinstance(base, dict):
        return base
    if location[1:] == _VERSIONED:
        base = _without_checksums(base, over)
    if location[1:] == _APPS:
        # An override changes the applications of a target, and adds none to it.
        over = {name: settings for name, settings in over.items() if name in base}
        base = {name: {} if base[name] is None and name in over else base[name] for name in base}
    return {
        **base,
        **{key: _laid(base.get(key, {}), value, (*location, key)) for key, value in over.items()},
    }


def _without_checksums(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """A copy of ``base``, without its checksums if ``over`` sets another version."""
    is_other = "version" in over and over["version"] != base.get("version")
    return {key: value for key, value in base.items() if not (is_other and key == "sha256")}


def _complete(entry: Any, inherited: dict[str, Any]) -> Any:
    if not isinstance(entry, dict):
        return entry
    own = {section: merge(base, entry.get(section)) for section, base in inherited.items()}
    return {**entry, **own}
