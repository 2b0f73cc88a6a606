"""Publishes the schema as JSON Schema (2020-12): completion and checks while one types.

The inventory may leave out whatever has a default, so here nothing of the settings is required;
the defaults are those of defaults.yaml.
"""

import json
from pathlib import Path
from typing import Any

from configs.documents import read
from configs.loader import DEFAULTS
from configs.schema import Inventory

PUBLISHED = Path(__file__).with_name("inventory.schema.json")
_ADVICE = ("expected", "remedy", "title")


def json_schema() -> dict[str, Any]:
    """The inventory's JSON Schema."""
    schema = Inventory.model_json_schema()
    sections = schema["$defs"]
    schema["required"] = ["targets"]
    schema["description"] = "The servers, and what is wanted of them."
    sections["Entry"]["required"] = ["role", "address"]
    for name in sections.keys() - {"Entry"}:
        sections[name].pop("required", None)
        sections[name]["type"] = ["object", "null"]
    _set_defaults(sections, sections["Settings"], read(DEFAULTS, remedy="").data)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "The inventory",
        **_cleaned(schema),
    }


def text() -> str:
    """The published file's text."""
    return json.dumps(json_schema(), indent=2) + "\n"


def _set_defaults(sections: dict[str, Any], section: dict[str, Any], values: Any) -> None:
    for key, value in values.items():
        field = section["properties"][key]
        name = field.get("$ref", "").rpartition("/")[2]
        if name and name != "Requirement":
            _set_defaults(sections, sections[name], value)
        else:  # both roles share the section Requirement, each with defaults of its own
            field["default"] = value


def _cleaned(schema: Any) -> Any:
    """Without what is meant for our own messages only, and with no other names than it says."""
    if isinstance(schema, list):
        return [_cleaned(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    cleaned = {
        key: {name: _cleaned(item) for name, item in value.items()}
        if key in ("properties", "$defs")
        else _cleaned(value)
        for key, value in schema.items()
        if key not in _ADVICE
    }
    # What is under names of one's own: those names alone.
    return {**cleaned, "additionalProperties": False} if "patternProperties" in schema else cleaned
