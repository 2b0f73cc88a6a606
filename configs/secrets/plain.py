"""Secrets as plain dotenv text, for an editor: one `NAME='value'` each, nothing expanded."""

import io
from collections.abc import Mapping

from dotenv.parser import Binding, parse_stream

from configs.problems import ConfigurationError, Problem
from configs.secrets.secret import NAME, NAME_EXPECTED

FILE = "the edited file"
_INTRODUCTION = """\
# NAME='value', also over several lines. Within the quotes nothing is special but \\' and \\\\.
# Take a line out to remove the secret; save an empty file to change nothing.

"""


def render(values: Mapping[str, str]) -> str:
    """The text that an operator edits."""
    return _INTRODUCTION + "".join(f"{name}={_quoted(text)}\n" for name, text in values.items())


def parse(text: str) -> dict[str, str]:
    """The values. Raises ConfigurationError with every line that cannot be meant so."""
    bindings = [
        binding
        for binding in parse_stream(io.StringIO(text, newline=""))
        if binding.key or binding.error
    ]
    values: dict[str, str] = {}
    problems: list[Problem] = []
    for binding in bindings:
        if problem := _problem(binding, values):
            problems.append(problem)
        values[str(binding.key)] = binding.value or ""
    if problems:
        raise ConfigurationError(problems)
    return values


def _quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _problem(binding: Binding, seen: Mapping[str, str]) -> Problem | None:
    line, name = f"line {binding.original.line}", binding.key
    if binding.error or name is None:
        found, expected = "a line that is not understood", "NAME='value'"
        do = "write the value in single quotes, \\' for one inside it and \\\\ for a backslash"
    elif not NAME.fullmatch(name):
        found, expected = "a name that no secret can have", NAME_EXPECTED
        do = "write the name so, then = and the value in single quotes"
    elif name in seen:
        line, found, expected, do = name, "the same name twice", "every name once", "remove one"
    elif not binding.value:
        line, found, expected, do = name, "no value", "a value", "write one, or remove the line"
    elif _cut(binding):
        line, found = name, "a # that would begin a comment, and cut the value off"
        expected, do = "the whole value in single quotes", "write the value in single quotes"
    else:
        return None
    return Problem(FILE, line, found, expected, do)


def _cut(binding: Binding) -> bool:
    written = binding.original.string.partition("=")[2].strip()
    return written[:1] not in ("'", '"') and written != binding.value
