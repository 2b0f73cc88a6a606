"""A secret value that does not show itself."""

import hmac
import re
from typing import Any, NoReturn

NAME = re.compile(r"[A-Z][A-Z0-9_]*")
# What no reader of a text file takes: control characters but newline and tab, halves of surrogate
# pairs, noncharacters.
UNWRITABLE = re.compile(
    "[\0-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef"
    + "".join(chr(plane << 16 | last) for plane in range(17) for last in (0xFFFE, 0xFFFF))
    + "]"
)
NAME_EXPECTED = "a name of capital letters, digits and underscores that begins with a letter"


class Secret:
    """A value under its name. Printing, formatting or logging it shows the name alone.

    It has no `__dict__`, and neither pickle nor json takes it: what wants the value must say
    `.reveal()`, so every such place can be found.
    """

    __slots__ = ("_value", "name")

    def __init__(self, name: str, value: str) -> None:
        self.name = name
        self._value = value

    def reveal(self) -> str:
        """The value itself."""
        return self._value

    def __repr__(self) -> str:
        return f"Secret({self.name})"

    def __format__(self, specification: str) -> str:
        return format(repr(self), specification)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        mine, theirs = self._value.encode(), other._value.encode()
        return self.name == other.name and hmac.compare_digest(mine, theirs)

    def __hash__(self) -> int:
        return hash((self.name, self._value))

    def __copy__(self) -> "Secret":
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> "Secret":
        return self

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError(f"{self!r} is not written anywhere; reveal() gives its value")
