"""Settings from the environment and from `--data`, which go before those of the files."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Literal, get_args, get_origin

import yaml
from pydantic import BaseModel

from configs.apps import App
from configs.documents import Document, Location, dotted, refuse_depth
from configs.explaining import plain_type, secret_advice
from configs.problems import Problem
from configs.schema import Settings

PREFIX = "CHOM_SETTING__"
_BEGINNING = "CHOM_SETTING"  # CHOM_SETTINGS__ or a single _ is a typing mistake, never meant so


@dataclass(frozen=True)
class Overrides(Document):
    """Single settings; names: what the operator wrote for each location."""

    names: Mapping[Location, str] = field(default_factory=dict)

    def holds(self, location: Location) -> bool:
        """Whether the location is one of the settings, or lies in one."""
        return self._named(location) is not None

    def key(self, location: Location) -> str:
        """The variable or the key of `--data`."""
        return self._named(location) or dotted(location)

    def _named(self, location: Location) -> str | None:
        places = (location[:length] for length in range(len(location), 0, -1))
        return next((self.names[place] for place in places if place in self.names), None)


def from_environment(environ: Mapping[str, str], apps: Collection[str] = ()) -> Overrides:
    """CHOM_SETTING__PROMETHEUS__RETENTION_DAYS=30: a YAML value; `__` between the levels.

    apps: the names of the applications, as CHOM_SETTING__APPS__SHOP__BRANCH has one.
    An unknown variable that begins so is a problem. Raises nothing.
    """
    written = {name: text for name, text in environ.items() if name.startswith(_BEGINNING)}
    return _overrides("the environment", _Names(_variable, "__", apps), written)


def from_data(data: Mapping[str, Any], apps: Collection[str] = ()) -> Overrides:
    """`prometheus.retention_days`: 30 or "30"; `apps.shop.branch`. Raises nothing.

    apps: the names of the applications.
    Keys that begin with no section of the settings are meant for something else.
    """
    written = {
        key: value for key, value in data.items() if key.partition(".")[0] in Settings.model_fields
    }
    return _overrides("--data", _Names(str, ".", apps), written)


def settings(apps: Collection[str] = ()) -> dict[str, Any]:
    """Every setting by its dotted key, with its type; also those of the applications named."""
    paths = [*_settings(Settings, ())]
    for name in apps:
        paths += _settings(App, ("apps", name))
    return {".".join(path): kind for path, kind in paths}


class _Names:
    """What settings are called in one place.

    written: the name of a dotted key. divider: what stands between its levels. apps: the names of
    the applications.
    """

    def __init__(self, written: Callable[[str], str], divider: str, apps: Collection[str]) -> None:
        self.divider = divider
        self.apps = {written(f"apps.{app}"): app for app in apps}
        self.section = written("apps")
        self._kinds = settings(apps)
        self._keys = {written(key): key for key in self._kinds}
        self._environments = {
            written(f"apps.{app}.environment") + divider: ("apps", app, "environment")
            for app in apps
        }

    @property
    def known(self) -> list[str]:
        return list(self._keys)

    def find(self, name: str) -> tuple[tuple[str, ...], Any] | None:
        """The place of a setting and its type; None for a name that is of no setting."""
        if name in self._keys:
            key = self._keys[name]
            return tuple(key.split(".")), self._kinds[key]
        for beginning, place in self._environments.items():
            if name.startswith(beginning):
                return (*place, name.removeprefix(beginning)), str
        return None


def _settings(model: type[BaseModel], above: tuple[str, ...]) -> Iterator[tuple[Any, Any]]:
    for name, described in model.model_fields.items():
        kind, path = plain_type(described.annotation), (*above, name)
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _settings(kind, path)
        elif get_origin(kind) is dict:
            keys, values = get_args(kind)
            # Names that the operator chooses, and what they stand for, are for the inventory alone;
            # those of the applications in it are known.
            if get_origin(keys) is Literal:
                yield from (((*path, key), plain_type(values)) for key in get_args(keys))
        else:
            yield path, kind


def _variable(key: str) -> str:
    return PREFIX + key.upper().replace(".", "__")


def _overrides(file: str, names: _Names, written: Mapping[str, Any]) -> Overrides:
    data: dict[str, Any] = {}
    places: dict[Location, str] = {}
    problems: list[Problem] = []
    for name, value in written.items():
        setting = names.find(name)
        if setting is None:
            problems.append(_unknown(file, name, names))
            continue
        place, kind = setting
        try:
            value = _value(value, kind)
        except ValueError:
            problems.append(_no_value(file, name))
            continue
        _put(data, ("settings", *place), value)
        places["settings", *place] = name
    return Overrides(file, data=data, problems=tuple(problems), names=places)


def _put(data: dict[str, Any], location: tuple[str, ...], value: Any) -> None:
    for step in location[:-1]:
        data = data.setdefault(step, {})
    data[location[-1]] = value


def _value(written: Any, kind: Any) -> Any:
    """The value that is meant. Raises ValueError for a section or for no YAML."""
    if not isinstance(written, str):
        value = written
    else:
        try:
            refuse_depth(written)
            value = yaml.safe_load(written)
        except (yaml.YAMLError, ValueError, KeyError, AttributeError):  # the latter: !!bool x
            if kind is not str:
                raise ValueError from None
            value = written
        # A shell takes the quotes away, so 8.4 is the text where a text is wanted.
    if kind is str and not isinstance(value, str | None):
        value = written if isinstance(written, str) else str(written)
    if isinstance(value, dict):
        raise ValueError
    return value


def _unknown(file: str, name: str, names: _Names) -> Problem:
    below = name + names.divider
    if inside := [each for each in names.known if each.startswith(below)]:
        found, expected = "a section", f"one setting of it: {', '.join(inside)}"
        return Problem(file, name, found, expected, "name the setting, too")
    remedy = "remove it; configs/defaults.yaml has all settings"
    if advice := secret_advice(name):
        remedy = f"remove it; {advice}"
    elif near := get_close_matches(name, names.known, n=1, cutoff=0.55):
        remedy = f"did you mean {near[0]}? Rename it, or remove it"
    if name.startswith(names.section + names.divider) and not name.startswith(
        tuple(app + names.divider for app in names.apps)
    ):
        found = "a setting of an application that the inventory does not have"
        expected = f"a setting of: {', '.join(names.apps.values()) or 'none, it has none'}"
        return Problem(file, name, found, expected, remedy)
    return Problem(file, name, "an unknown setting", "a setting of configs/defaults.yaml", remedy)


def _no_value(file: str, name: str) -> Problem:
    expected = "a single value, or a list such as [a, b]"
    return Problem(file, name, "no single value in YAML", expected, "correct it, or remove it")
