"""What the targets are told of a deployment, once all lanes have ended."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pyinfra.api import Host

from state.connection import run_command
from state.record import Record

# From a record, as JSON has it: a shell command and its standard input.
Announcement = Callable[[Mapping[str, Any]], tuple[str, str]]
LIMIT_S = 20


def tell(announcements: Iterable[tuple[Host, Announcement]], record: Record) -> list[str]:
    """Tell all of them of a deployment that changed something; returns what went wrong.

    Whatever that is, the deployment is what it was.
    """
    if not _changes(record):
        return []
    data = record.model_dump(mode="json")
    return [line for host, each in announcements if (line := _tell_one(host, each, data))]


def _changes(record: Record) -> int:
    return sum(
        component.changed
        for target in record.targets.values()
        for component in target.components.values()
    )


def _tell_one(host: Host, announcement: Announcement, data: Mapping[str, Any]) -> str | None:
    try:
        command, stdin = announcement(data)
        succeeded, output = run_command(host, command, stdin, LIMIT_S)
    except Exception as error:
        return f"{host.name} was not told of this deployment: {type(error).__name__}: {error}"
    if succeeded:
        return None
    said = (output.stderr_lines or ["it said nothing"])[-1]
    return f"{host.name} was not told of this deployment: {said}"
