"""The two forms in which lines come to Loki: JSON, and the real shippers' protobuf in snappy."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from .loki_store import Line

Streams = list[tuple[dict[str, str], list[Line]]]
_LABEL = re.compile(r'\s*([A-Za-z_]\w*)\s*=\s*("(?:[^"\\]|\\.)*")\s*,?')


def pushed(body: bytes, kind: str) -> Streams:
    """The labels of each stream, and its lines.

    Args:
        body: Of the request.
        kind: Its `Content-Type`; what does not say JSON is protobuf, as it is for Loki.

    Raises:
        ValueError: The body is not of that form.
    """
    if "json" in kind:
        return [
            (dict(stream["stream"]), [(int(value[0]), str(value[1])) for value in stream["values"]])
            for stream in json.loads(body)["streams"]
        ]
    try:
        return [_stream(value) for number, value in _fields(unsnapped(body)) if number == 1]
    except (IndexError, TypeError, AttributeError) as error:
        raise ValueError("the body is no push request in protobuf and snappy") from error


def unsnapped(data: bytes) -> bytes:
    """What snappy's block format holds; raises `ValueError` or `IndexError` if it holds none."""
    size, place = _varint(data, 0)
    out = bytearray()
    while place < len(data):
        tag = data[place]
        place += 1
        kind, length = tag & 3, (tag >> 2) + 1
        if kind == 0:
            if length > 60:
                extra = length - 60
                length = int.from_bytes(data[place : place + extra], "little") + 1
                place += extra
            out += data[place : place + length]
            place += length
            continue
        if kind == 1:
            length, offset = ((tag >> 2) & 7) + 4, (tag >> 5) << 8 | data[place]
            place += 1
        else:
            width = 2 if kind == 2 else 4
            offset = int.from_bytes(data[place : place + width], "little")
            place += width
        # One at a time: a copy may reach into what it is just writing.
        for _ in range(length):
            out.append(out[-offset])
    if len(out) != size:
        raise ValueError("snappy: corrupt input")
    return bytes(out)


def _stream(data: int | bytes) -> tuple[dict[str, str], list[Line]]:
    labels: dict[str, str] = {}
    lines: list[Line] = []
    for number, value in _fields(data):
        if number == 1 and isinstance(value, bytes):
            labels = {name: json.loads(text) for name, text in _LABEL.findall(value.decode())}
        elif number == 2:
            lines.append(_line(value))
    return labels, lines


def _line(data: int | bytes) -> Line:
    fields = dict(_fields(data))
    time = dict(_fields(fields.get(1, b"")))
    text = fields.get(2, b"")
    seconds, nanoseconds = time.get(1, 0), time.get(2, 0)
    if isinstance(text, int) or isinstance(seconds, bytes) or isinstance(nanoseconds, bytes):
        raise ValueError("the body is no push request in protobuf and snappy")
    return seconds * 1_000_000_000 + nanoseconds, text.decode(errors="replace")


def _fields(data: int | bytes) -> Iterator[tuple[int, int | bytes]]:
    """The fields of a protobuf message: numbers, and whatever has a length."""
    if isinstance(data, int):
        raise ValueError("the body is no push request in protobuf and snappy")
    place = 0
    while place < len(data):
        key, place = _varint(data, place)
        kind = key & 7
        if kind == 0:
            number, place = _varint(data, place)
            yield key >> 3, number
            continue
        if kind == 2:
            length, place = _varint(data, place)
        elif kind in (1, 5):
            length = 8 if kind == 1 else 4
        else:
            raise ValueError("the body is no push request in protobuf and snappy")
        yield key >> 3, data[place : place + length]
        place += length


def _varint(data: bytes, place: int) -> tuple[int, int]:
    """A number of any length, and where it ends."""
    value = shift = 0
    while True:
        byte = data[place]
        value |= (byte & 0x7F) << shift
        shift, place = shift + 7, place + 1
        if not byte & 0x80:
            return value, place
