"""No secret in anything that is printed or kept: the last of several lines of defence."""

import base64
import html
import io
import json
import logging
import shlex
import sys
import urllib.parse
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Any, BinaryIO, TextIO, cast

from configs.secrets.providing import SHORTEST

# How many texts of records are remembered with what was made of them.
KNOWN = 16384
# Pieces shorter than the shortest secret are found everywhere.


class Scrubber:
    """Puts ``[secret NAME]`` in the place of a secret, however it is written.

    ``secrets``: name → value. ``quotings``: the languages in which values are written on hosts,
    beside the usual encodings (URL, base64 at any place, hexadecimal, JSON, shell, HTML, Python).
    """

    def __init__(
        self, secrets: Mapping[str, str], quotings: Iterable[Callable[[str], str]] = ()
    ) -> None:
        quotings = list(quotings)
        found = {
            disguise: f"[secret {name}]"
            for name, value in secrets.items()
            for disguise in disguises(value, quotings)
        }
        # The longest first, or a piece of a value would spoil the whole one.
        self._marks = sorted(found.items(), key=lambda item: -len(item[0]))
        # A record is written again and again, and most of it is as it was.
        self._known = lru_cache(maxsize=KNOWN)(self.scrub)
        self.scrub_json = lru_cache(maxsize=KNOWN)(self._scrub_json)

    def scrub(self, text: str) -> str:
        """The text without any secret."""
        for disguise, mark in self._marks:
            if disguise in text:
                text = text.replace(disguise, mark)
        return text

    def scrub_values(self, data: Any) -> Any:
        """The same of every text in plain data (dict, list); keys stay as they are."""
        if isinstance(data, str):
            return self._known(data)
        if isinstance(data, dict):
            return {key: self.scrub_values(value) for key, value in data.items()}
        if isinstance(data, list | tuple):
            return [self.scrub_values(value) for value in data]
        return data

    def _scrub_json(self, text: str) -> str:
        """JSON without any secret in its texts; a secret is found in JSON as it is anywhere."""
        return text if self.scrub(text) == text else json.dumps(self.scrub_values(json.loads(text)))

    def guard_streams(self) -> None:
        """Let everything that this process prints from now on pass here first."""
        for name in ("stdout", "stderr"):
            old = getattr(sys, name)
            new = io.TextIOWrapper(
                cast(BinaryIO, ScrubbedStream(old.buffer, self)),
                encoding=old.encoding,
                errors=old.errors,
                line_buffering=True,
            )
            replace_stream(name, new)


def replace_stream(name: str, new: TextIO) -> None:
    """Let ``sys.stdout`` or ``sys.stderr`` be another stream, for log handlers, too."""
    old = getattr(sys, name)
    setattr(sys, name, new)
    for handler in _handlers_of(old):
        handler.setStream(new)


def _handlers_of(stream: object) -> Iterator["logging.StreamHandler[Any]"]:
    """The log handlers that were told to write to this stream before."""
    names = [None, *logging.root.manager.loggerDict]
    for handler in {each for name in names for each in logging.getLogger(name).handlers}:
        if isinstance(handler, logging.StreamHandler) and handler.stream is stream:
            yield handler


class ScrubbedStream(io.BufferedIOBase):
    """Hands whole lines on to ``stream`` without secrets; what has no end yet at a flush."""

    def __init__(self, stream: BinaryIO, scrubber: Scrubber) -> None:
        self._stream = stream
        self._scrubber = scrubber
        self._waiting = b""

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return self._stream.isatty()

    def fileno(self) -> int:
        return self._stream.fileno()

    def write(self, data: Any) -> int:
        lines, end, rest = (self._waiting + bytes(data)).rpartition(b"\n")
        self._waiting = rest
        self._hand_on(lines + end)
        return len(data)

    def flush(self) -> None:
        self._hand_on(self._waiting)
        self._waiting = b""
        self._stream.flush()

    def _hand_on(self, data: bytes) -> None:
        text = data.decode("utf-8", "surrogateescape")
        self._stream.write(self._scrubber.scrub(text).encode("utf-8", "surrogateescape"))


def disguises(value: str, quotings: Iterable[Callable[[str], str]] = ()) -> set[str]:
    """Every way in which a value is expected to show, those of its lines and itself included."""
    whole = [value, *(line.strip() for line in value.splitlines())]
    found = {way for each in whole if len(each) >= SHORTEST for way in _ways(each, quotings)}
    return {each for each in found if len(each) >= SHORTEST}


def _ways(value: str, quotings: Iterable[Callable[[str], str]]) -> Iterator[str]:
    yield value
    yield from (urllib.parse.quote(value), urllib.parse.quote(value, safe=""))
    yield urllib.parse.quote_plus(value)
    for text in (json.dumps(value), json.dumps(value, ensure_ascii=False), repr(value)):
        yield text[1:-1]
        yield json.dumps(text[1:-1])[1:-1]  # quoted, and then printed in JSON
    yield html.escape(value)
    quoted = shlex.quote(value)
    yield from (quoted.strip("'"), value.replace("'", "'\\''"), json.dumps(quoted)[1:-1])
    yield "".join(each if each.isalnum() else f"\\{each}" for each in value)
    for quoting in quotings:
        with suppress(ValueError):  # what cannot be written there does not show there either
            yield quoting(value)[1:-1]
    raw = value.encode()
    yield from (raw.hex(), raw.hex().upper())
    yield from _base64(raw)


def _base64(raw: bytes) -> Iterator[str]:
    """What is the same in base64 wherever the value begins in what is encoded."""
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + raw).decode().rstrip("=")
        # What is beside the value decides the first and the last characters.
        first = -(-before * 8 // 6)
        last = len(encoded) - (1 if (before + len(raw)) % 3 else 0)
        yield encoded[first:last]
        yield encoded[first:last].translate(str.maketrans("+/", "-_"))
