"""Shell commands with values in them: every value is quoted."""

import re
import shlex
from collections.abc import Sequence

_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")


def sh(template: str, /, **values: str | Sequence[str]) -> str:
    """Return a shell command with each ``{name}`` replaced by its value, quoted as one word.

    A sequence becomes one word for each item. Braces around anything but a name stay as they are.
    Raises KeyError for a name without a value, and TypeError for a value without a name.

    + template: a literal, never a text with values in it
    """
    if unused := values.keys() - {*_PLACEHOLDER.findall(template)}:
        raise TypeError(f"not in the command: {', '.join(sorted(unused))}")
    return _PLACEHOLDER.sub(lambda found: _quoted(values[found[1]]), template)


def _quoted(value: str | Sequence[str]) -> str:
    return shlex.quote(value) if isinstance(value, str) else shlex.join(value)
