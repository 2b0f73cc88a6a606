"""Every message of the project is on the troubleshooting page, and produced by a test."""

import ast
import re
from collections import Counter
from functools import cache

import pytest

from tests.lab.paths import PROJECT
from tests.messages import GAP, PAGE, Telling, page, sources, tellings

# Of pyinfra and paramiko, whose words come before our remedy.
NOT_OURS = {"No host key for", "does not match", "Authentication"}
# So many words of a message in a row, with so many letters, tell it from all others but a few.
WORDS, LETTERS, FEW = 3, 12, 3
_ROW = re.compile(r"\| `([^`]+)` \|")


def test_the_page_has_every_message() -> None:
    assert PAGE.read_text() == page(), "run `python -m tests.messages --write`"


@pytest.mark.parametrize("told", sorted(set(_ROW.findall(PAGE.read_text()))))
def test_what_the_page_explains_is_a_message(told: str) -> None:
    for part in filter(None, (part.strip("…:,;. ") for part in told.split(GAP))):
        assert part in NOT_OURS or part in _told_by_the_project(), part


@cache
def _told_by_the_project() -> str:
    """All strings of its source."""
    return "\n".join(text for path in sources() for text in _strings(path.read_text()))


def _strings(source: str) -> list[str]:
    nodes = ast.walk(ast.parse(source))
    return [
        node.value
        for node in nodes
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]


@cache
def _asked_for_by_tests() -> str:
    """All strings of the tests."""
    paths = [path for path in (PROJECT / "tests").rglob("*.py") if path.name != "messages.py"]
    return "\n".join(text for path in paths for text in _strings(path.read_text()))


def _is_produced(telling: Telling) -> bool:
    """Whether a test names so much of it that it must have been told.

    Of one that says only what others say as well, any of them will do.
    """
    asked, shared = _asked_for_by_tests(), _shared()
    parts = _parts(telling)
    own = {part for part in parts if shared[part] <= FEW} or parts
    return any(part in asked for part in own)


def _parts(telling: Telling) -> set[str]:
    """Some words in a row of its texts that tell it from others."""
    found = set()
    for text in telling.words:
        words = text.split()
        runs = range(max(1, len(words) - WORDS + 1))
        found |= {" ".join(words[first : first + WORDS]) for first in runs}
    return {part for part in found if len(part) >= LETTERS}


@cache
def _shared() -> Counter[str]:
    """How many tellings have the same words."""
    return Counter(part for telling in tellings() for part in _parts(telling))


@pytest.mark.parametrize(
    "telling", tellings(), ids=lambda telling: f"{telling.file}:{telling.line}"
)
def test_a_test_produces_it(telling: Telling) -> None:
    assert _is_produced(telling), telling.texts
