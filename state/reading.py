"""Reads a record's file, whole or the part that is needed, or says why it is none."""

from typing import TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from state.record import SCHEMA_VERSION, Record

KNOWN: tuple[str, ...] = get_args(Record.model_fields["version"].annotation)
DAMAGED = (
    "put it back from another copy of the history, or move it out of the folder; what the "
    "deployment created is not counted as ours until then"
)


class Unreadable(Exception):
    """A file that is no record to us. ``found``: what is wrong with it. ``remedy``: what to do."""

    def __init__(self, found: str, remedy: str = DAMAGED) -> None:
        super().__init__(found)
        self.found = found
        self.remedy = remedy


class Newer(Unreadable):
    """A record that a newer version of this project wrote."""

    def __init__(self, version: str) -> None:
        super().__init__(
            f"written by a newer version of this project ({version})",
            "update your checkout to read it",
        )


class Extract(BaseModel):
    """A part of a record, for who needs no more: fields that it does not name are passed over."""

    model_config = ConfigDict(extra="ignore")

    version: str
    deployment_id: str


class Head(Extract):
    """The least that tells what a record is, in any version."""

    status: str


Part = TypeVar("Part", bound=Extract)


def parse(content: bytes) -> Record:
    """The record in a file's bytes. Raises Unreadable."""
    try:
        return Record.model_validate_json(content)
    except ValidationError as error:
        raise _reason(content, error) from None


def extract(model: type[Part], content: bytes) -> Part:
    """A part of the record in a file's bytes, one of a newer version refused. Raises Unreadable."""
    try:
        found = model.model_validate_json(content)
    except ValidationError as error:
        raise _reason(content, error) from None
    if found.version not in KNOWN:
        raise _of_version(found.version)
    return found


def _reason(content: bytes, error: ValidationError) -> Unreadable:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    if first["type"] == "json_invalid":
        return Unreadable("an empty file" if not content.strip() else "cut off, or no JSON")
    try:
        version = Head.model_validate_json(content).version
    except ValidationError:
        version = SCHEMA_VERSION
    if version not in KNOWN:
        return _of_version(version)
    place = ".".join(map(str, first["loc"])) or "the whole file"
    return Unreadable(f"no record: {place}: {first['msg'][:1].lower()}{first['msg'][1:]}")


def _of_version(version: str) -> Unreadable:
    if _numbers(version) > _numbers(SCHEMA_VERSION):
        return Newer(version)
    return Unreadable(f"no record: its schema version is {version[:20]!r}")


def _numbers(version: str) -> list[int]:
    parts = version.split(".")
    return [int(each) for each in parts] if all(map(str.isdecimal, parts)) else []
