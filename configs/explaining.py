"""Says in an operator's words what the schema found wrong."""

import re
from collections.abc import Mapping
from difflib import get_close_matches
from types import UnionType
from typing import Annotated, Any, Literal, Union, cast, get_args, get_origin

from annotated_types import Ge, Le
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from configs.documents import Location, dotted
from configs.merging import Sources
from configs.problems import Problem
from configs.schema import Inventory

_SECRET = re.compile(r"pass(word|wd|phrase)?($|_)|secret|token|credential|api_?key")
_IN_DEFAULTS = "undo the change to this file; your own values belong in the inventory"
_MAIL_PASSWORD = re.compile(r"smtp.*pass")


def explain(error: ErrorDetails, sources: Sources) -> Problem:
    """The problem behind one of pydantic's errors, placed where the value was written."""
    location = tuple(step for step in error["loc"] if step != "[key]")
    about_key = error["loc"][-1] == "[key]"
    if error["type"] == "extra_forbidden":
        found, expected, remedy = _unknown(location)
    else:
        field, annotation = _walk(location[:-1] if about_key else location)
        found = _found(error, location, field, about_key)
        expected = expectation(field, annotation)
        remedy = _advice(field, "remedy") or _correction(error, location, field, sources)
        if about_key:
            remedy = "rename it, or remove it"
    document, place = sources.origin(location)
    if document is sources.defaults:
        remedy = _IN_DEFAULTS
    elif document is not sources.inventory:
        remedy = remedy.replace("remove the line", "remove it")
    return Problem(document.file, document.key(place), found, expected, remedy)


def secret_advice(setting: str) -> str | None:
    """Where the secret belongs that somebody wrote as a setting; None if its name is of no secret.

    setting: its key, dotted, or the variable for it.
    """
    if not _SECRET.search(setting.lower()):
        return None
    advice = "secrets belong in configs/.secrets.env"
    if _MAIL_PASSWORD.search(setting.lower()):
        return f"{advice}: python -m configs secrets set SMTP_PASSWORD"
    return advice


def describe(value: Any) -> str:
    """A value in a few words: never more than one line, never a section's content."""
    if value is None:
        return "nothing (null)"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return f"a section with {', '.join(map(str, value))}" if value else "an empty section"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if not isinstance(value, str):
        return str(value)
    first, _, more = value.strip().partition("\n")
    line = "".join(char if char.isprintable() else "?" for char in first)
    line = re.sub(r"(?<=://)\S*@|^[^\s@:]+:(?!//)\S*@", "***@", line)
    return f'"{line[:60]}{"…" if more or len(line) > 60 else ""}"'


def _found(error: ErrorDetails, location: Location, field: FieldInfo | None, key: bool) -> str:
    if error["type"] == "missing":
        return "nothing"
    if key:
        return f'the name "{location[-1]}"'
    secret = _is_switch(field) or secret_advice(str(location[-1]))
    if secret and isinstance(error["input"], str):
        return "text"  # somebody may have written the password itself
    return describe(error["input"])


def _is_switch(field: FieldInfo | None) -> bool:
    return field is not None and field.annotation is bool


def _unknown(location: Location) -> tuple[str, str, str]:
    name = str(location[-1])
    _, section = _walk(location[:-1])
    known = list(cast(type[BaseModel], section).model_fields)
    expected = f"one of: {', '.join(known)}"
    found = "an unknown key"
    # A target may have any name, so only what is below its settings says what the secret is for.
    section = location[location.index("settings") :] if "settings" in location else ()
    if advice := secret_advice(dotted((*section[1:-1], name))):
        remedy = f"remove it, and change that secret since this file keeps none; {advice}"
        return found, expected, remedy
    if near := get_close_matches(name, known, n=1, cutoff=0.55):
        return found, expected, f"did you mean {near[0]}? Rename it, or remove it"
    return found, expected, "remove it, or use one of these"


def _walk(location: Location) -> tuple[FieldInfo | None, Any]:
    """The innermost field on the way to the location, and the type expected there."""
    field: FieldInfo | None = None
    annotation: Any = Inventory
    for step in location:
        kind = plain_type(annotation)
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            field = kind.model_fields[str(step)]
            annotation = field.annotation
        else:
            annotation = get_args(kind)[0 if isinstance(step, int) else 1]
    return field, plain_type(annotation)


def plain_type(annotation: Any) -> Any:
    """The type without its metadata and without None."""
    if get_origin(annotation) is Annotated:
        return plain_type(get_args(annotation)[0])
    if _optional(annotation):
        return plain_type(next(kind for kind in get_args(annotation) if kind is not type(None)))
    return annotation


def _optional(annotation: Any) -> bool:
    # `X | None` of plain types and of annotated ones are of two different kinds before 3.14.
    return type(None) in get_args(annotation) and get_origin(annotation) in (Union, UnionType)


def _nullable(field: FieldInfo | None) -> bool:
    return field is not None and _optional(field.annotation)


def expectation(field: FieldInfo | None, annotation: Any) -> str:
    """What a field accepts, in words; ``annotation``: its plain type."""
    text = _advice(field, "expected")
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        text = f"a section with any of: {', '.join(annotation.model_fields)}"
    elif not text and annotation is bool:
        text = "true or false"
    elif not text and get_origin(annotation) is Literal:
        text = f"one of: {', '.join(get_args(annotation))}"
    elif not text and annotation is int:
        text = _whole_number(field)
    return (text or "text") + (", or null" if _nullable(field) else "")


def _whole_number(field: FieldInfo | None) -> str:
    limits = _metadata(field)
    low = next((limit.ge for limit in limits if isinstance(limit, Ge)), None)
    high = next((limit.le for limit in limits if isinstance(limit, Le)), None)
    return "a whole number" if low is None else f"a whole number from {low} to {high}"


def _metadata(field: FieldInfo | None) -> list[Any]:
    """The limits of a field, also those of the X in `X | None`."""
    if field is None:
        return []
    nested = [
        item
        for kind in get_args(field.annotation)
        if get_origin(kind) is Annotated
        for item in get_args(kind)[1:]
    ]
    flat = [part for item in nested for part in getattr(item, "metadata", [item])]
    return [*field.metadata, *flat]


def _advice(field: FieldInfo | None, what: str) -> str:
    extra = field.json_schema_extra if field is not None else None
    return str(extra.get(what, "")) if isinstance(extra, Mapping) else ""


def _correction(
    error: ErrorDetails, location: Location, field: FieldInfo | None, sources: Sources
) -> str:
    if error["type"] == "missing":
        return f"add `{location[-1]}:`"
    default = _default(location, field, sources)
    if default is None and "settings" in location and _nullable(field):
        return "correct it, or write null to follow the detected hardware"
    if default is None:
        return "correct it, or remove the line"
    return f"correct it, or remove the line to use the default, {describe(default)}"


def _default(location: Location, field: FieldInfo | None, sources: Sources) -> Any:
    if "settings" not in location:
        return field.get_default() if field is not None and not field.is_required() else None
    path = location[location.index("settings") + 1 :]
    value = sources.defaults.at(path) if path and sources.defaults.holds(path) else None
    return None if isinstance(value, dict) else value
