"""Positions files: how far the shipper has read each log file, in YAML.

Alloy writes an entry as a mapping of path and labels, Promtail as the path alone. Only the shapes
that their YAML encoders produce are understood; other lines are left as they are.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

_COMPLEX_KEY = re.compile(r"^\s*\? (?:path: )?(.+)$")
_COMPLEX_VALUE = re.compile(r"^(\s*: )(.+)$")
_SIMPLE = re.compile(r"^(\s+(?P<key>'(?:[^']|'')*'|\"(?:[^\"\\]|\\.)*\"|[^\s'\"?:].*?): +)(\S.*)$")


@dataclass(frozen=True)
class Entry:
    """Position in one log file; ``line`` and ``prefix`` tell where the text has it."""

    path: str
    offset: int
    line: int
    prefix: str


def entries(text: str) -> Iterator[Entry]:
    """Yield the entries of log files; a cursor of the journal is none."""
    key: str | None = None
    for number, line in enumerate(text.splitlines()):
        if key is None and (found := _COMPLEX_KEY.match(line)):
            key = found[1]
        elif key is not None:
            if found := _COMPLEX_VALUE.match(line):
                yield from _entry(key, found[2], number, found[1])
                key = None
        elif found := _SIMPLE.match(line):
            yield from _entry(found["key"], found[3], number, found[1])


def rewound(text: str, paths: Collection[str]) -> str:
    """Return the text with the positions in ``paths`` set to the beginning."""
    lines = text.splitlines()
    for entry in entries(text):
        if entry.path in paths:
            lines[entry.line] = f'{entry.prefix}"0"'
    return "\n".join(lines) + "\n"


def read_texts(files: Collection[Path]) -> dict[str, str]:
    """Read positions files: path → text. One that is being replaced is read again."""
    return {str(file): file.read_text() for file in files}


def _entry(key: str, value: str, line: int, prefix: str) -> Iterator[Entry]:
    path, offset = _scalar(key), _scalar(value)
    if path.startswith("/") and offset.isdigit():
        yield Entry(path, int(offset), line, prefix)


def _scalar(text: str) -> str:
    text = text.strip()
    if text.startswith("'"):
        return text[1:-1].replace("''", "'")
    if text.startswith('"'):
        try:
            return str(json.loads(text))
        except ValueError:
            return text[1:-1]
    return text
