"""Text from a host, made fit to stand in a line of ours."""

from typing import Any

MAX_CHARACTERS = 2000


def one_line(text: str, max_characters: int = MAX_CHARACTERS) -> str:
    """Return a text without line breaks and control characters, cut off where it is too long.

    So nothing that a host says looks like another line of ours, or moves the cursor.
    """
    line = "".join(char if char.isprintable() else " " for char in text[: max_characters + 1])
    return line if len(text) <= max_characters else f"{line[: max_characters - 1]}…"


def in_lines(value: Any) -> Any:
    """Return a value read from JSON with `one_line` of every text in it."""
    if isinstance(value, str):
        return one_line(value)
    if isinstance(value, list):
        return [in_lines(item) for item in value]
    if isinstance(value, dict):
        return {one_line(key): in_lines(item) for key, item in value.items()}
    return value
