"""Text as a terminal shows it: without control characters, and by the columns that it takes."""

import re
import unicodedata

_ESCAPE = re.compile(
    r"\x1b(?:\[(?P<body>[0-?]*[ -/]*[@-~])|\][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]*[0-~]?)"
)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_NO_COLUMN = ("Mn", "Me", "Cf")


def printable(text: str) -> str:
    """The text without escape sequences and control characters, but for tabs and ends of lines."""
    return _CONTROL.sub("", _ESCAPE.sub("", text))


def coloured(text: str) -> str:
    """The same, but colours stay: nothing in it moves the cursor anywhere else."""
    parts, end = [], 0
    for found in _ESCAPE.finditer(text):
        parts.append(_CONTROL.sub("", text[end : found.start()]))
        if re.fullmatch(r"[0-9;]*m", found["body"] or ""):
            parts.append(found[0])
        end = found.end()
    return "".join([*parts, _CONTROL.sub("", text[end:])])


def width(text: str) -> int:
    """How many columns a text without control characters takes."""
    if text.isascii():
        return len(text)
    return sum(map(_columns, text))


def cut(text: str, columns: int) -> str:
    """As much of a text as fits; an ellipsis stands for the rest."""
    if width(text) <= columns:
        return text
    if text.isascii():
        return f"{text[: columns - 1]}…" if columns > 0 else ""
    room, kept = columns - 1, ""
    for each in text:
        room -= _columns(each)
        if room < 0:
            break
        kept += each
    return f"{kept}…" if columns > 0 else ""


def pad(text: str, columns: int) -> str:
    """The text with blanks up to this many columns."""
    return text + " " * (columns - width(text))


def _columns(character: str) -> int:
    if unicodedata.category(character) in _NO_COLUMN:
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
