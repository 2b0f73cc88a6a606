"""Order of Debian version numbers, as dpkg compares them."""

import re
from functools import cmp_to_key

_PARTS = re.compile(r"(\D*)(\d*)")


def compare(left: str, right: str) -> int:
    """Compare two versions by the algorithm of deb-version(7).

    Returns a negative number if ``left`` is the older one, 0 if both are equal, else a positive
    number.
    """
    for one, other in zip(_split(left), _split(right), strict=True):
        if order := _compare_part(one, other):
            return order
    return 0


version_key = cmp_to_key(compare)


def upstream(version: str) -> str:
    """The upstream part of a version, without epoch and Debian revision: 1.18.1 of 1.18.1-1."""
    return _split(version)[1]


def _split(version: str) -> tuple[str, str, str]:
    """Epoch, upstream version and Debian revision."""
    epoch, colon, rest = version.partition(":")
    if not colon:
        epoch, rest = "0", version
    head, hyphen, revision = rest.rpartition("-")
    return (epoch, head, revision) if hyphen else (epoch, rest, "")


def _compare_part(left: str, right: str) -> int:
    # Text and numbers take turns; findall gives an empty pair at the end of each.
    ours, theirs = _PARTS.findall(left), _PARTS.findall(right)
    length = max(len(ours), len(theirs))
    empty = ("", "")
    ours += [empty] * (length - len(ours))
    theirs += [empty] * (length - len(theirs))
    for (text, number), (other_text, other_number) in zip(ours, theirs, strict=True):
        weights, others = _weights(text), _weights(other_text)
        if weights != others:
            return 1 if weights > others else -1
        if difference := int(number or 0) - int(other_number or 0):
            return difference
    return 0


def _weights(text: str) -> list[int]:
    """Sort key of a text part: a tilde before the end, letters before everything else."""
    end = 0
    weights = [
        -1 if char == "~" else ord(char) if char.isalpha() else ord(char) + 256 for char in text
    ]
    return [*weights, end]
