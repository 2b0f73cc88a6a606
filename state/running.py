"""The text of a record that is not closed yet: written again and again, and mostly as it was."""

import json
from collections.abc import Iterable
from typing import Any

from state.record import Component, Record, Target
from state.scrubbing import Scrubber


def running_text(record: Record, scrubber: Scrubber) -> str:
    """Its JSON on one line, without secrets; a component that did not change is not made again."""
    left_out: Any = {"targets": {"__all__": {"components"}}, "signature": True}
    data = record.model_dump(mode="json", exclude=left_out)
    data = scrubber.scrub_values(data)
    whole: dict[str, dict[str, object]] = data.pop("targets")
    targets = [
        _with(whole[name], "components", _components(target, scrubber))
        for name, target in record.targets.items()
    ]
    names = map(_json, record.targets)
    return _with(data, "targets", _joined(zip(names, targets, strict=True))) + "\n"


def _components(target: Target, scrubber: Scrubber) -> str:
    found = target.components.items()
    return _joined((_json(name), _scrubbed(each, scrubber)) for name, each in found)


def _scrubbed(component: Component, scrubber: Scrubber) -> str:
    return scrubber.scrub_json(component.model_dump_json())


def _json(data: object) -> str:
    return json.dumps(data, ensure_ascii=False)


def _joined(pairs: Iterable[tuple[str, str]]) -> str:
    return f"{{{', '.join(f'{name}: {text}' for name, text in pairs)}}}"


def _with(data: object, name: str, text: str) -> str:
    """The JSON of an object that has at least one other key, with one key more."""
    return f"{_json(data)[:-1]}, {_json(name)}: {text}}}"
