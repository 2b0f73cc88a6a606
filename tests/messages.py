"""What the project can tell an operator who got something wrong, read out of its own source.

A telling is a call of what tells it: one of the project's own exceptions, a `Problem`, `Finding`,
`Refusal`, `Error` or the like, or a function that hands its arguments on to one. Its texts are the
arguments that are sentences, in order: what was found, what was expected, what to do.
"""

import ast
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path

from tests.lab.paths import PROJECT

_PACKAGES = ("configs", "facts", "tasks", "state")
# Whose arguments an operator reads, beside the exceptions that the project defines.
_TELLERS = {"Problem", "Finding", "Error", "Trouble", "Check", "OperationError", "PyinfraError"}
# Why a target is asked one by one instead of in one breath; nobody is told.
_UNSEEN = {"Broken"}
# What they hand on is a place or a cause, and no text of theirs.
_NO_TEXT = {"self", "path", "error", "name", "key", "location", "problems"}
# Fewer letters are no text, but a key, a name or a unit.
_SHORTEST = 9
GAP = "…"
PAGE = PROJECT / "docs" / "troubleshooting.md"


@dataclass(frozen=True)
class Telling:
    """One call. ``file``, ``line``: where; ``texts``: with ``…`` for what a run fills in."""

    file: str
    line: int
    texts: Sequence[Sequence[str]]

    @property
    def words(self) -> set[str]:
        """The parts of its texts that are always the same."""
        parts = (p.strip() for each in self.texts for text in each for p in text.split(GAP))
        return {part for part in parts if _is_text(part)}


@cache
def tellings() -> tuple[Telling, ...]:
    """All of them, by file."""
    trees = {path: ast.parse(path.read_text()) for path in sources()}
    exceptions = {name for tree in trees.values() for name in _exceptions(tree)}
    tellers = (_TELLERS | exceptions) - _UNSEEN
    handing_on = tellers | {name for tree in trees.values() for name in _handing_on(tree, tellers)}
    return tuple(
        Telling(str(path.relative_to(PROJECT)), line, texts)
        for path, tree in trees.items()
        for line, texts in sorted(_told(tree, handing_on))
    )


def sources() -> Iterator[Path]:
    """The files that are read."""
    for package in _PACKAGES:
        yield from sorted((PROJECT / package).rglob("*.py"))
    yield from sorted(PROJECT.glob("*.py"))


def _exceptions(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        bases = node.bases if isinstance(node, ast.ClassDef) else ()
        if any(isinstance(base, ast.Name) and base.id == "Exception" for base in bases):
            yield node.name  # type: ignore[attr-defined]


def _handing_on(tree: ast.Module, tellers: set[str]) -> Iterator[str]:
    """The functions that give one of their own arguments to a teller."""
    for function in _functions(tree):
        taken = function.args
        own = {each.arg for each in [*taken.posonlyargs, *taken.args, *taken.kwonlyargs]} - _NO_TEXT
        given = (each for call in _calls(function, tellers) for each in _given(call))
        if any(isinstance(each, ast.Name) and each.id in own for each in given):
            yield function.name


def _told(tree: ast.Module, tellers: set[str]) -> set[tuple[int, tuple[tuple[str, ...], ...]]]:
    found = set()
    for function in _functions(tree):
        for call in _calls(function, tellers):
            rendered = (tuple(filter(_is_text, _rendered(e, function))) for e in _given(call))
            if texts := tuple(each for each in rendered if each):
                found.add((call.lineno, texts))
    return found


def _functions(tree: ast.Module) -> Iterator[ast.FunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def _calls(function: ast.FunctionDef, names: set[str]) -> Iterator[ast.Call]:
    for node in ast.walk(function):
        if isinstance(node, ast.Call):
            called = node.func
            if (
                called.id if isinstance(called, ast.Name) else getattr(called, "attr", "")
            ) in names:
                yield node


def _given(call: ast.Call) -> list[ast.expr]:
    return [*call.args, *(each.value for each in call.keywords)]


def _rendered(node: ast.expr, function: ast.FunctionDef, depth: int = 0) -> Iterator[str]:
    """The texts that an argument may have; of a local name, all that are assigned to it."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        yield "".join(str(p.value) if isinstance(p, ast.Constant) else GAP for p in node.values)
    elif isinstance(node, ast.IfExp):
        yield from _rendered(node.body, function, depth)
        yield from _rendered(node.orelse, function, depth)
    elif isinstance(node, ast.BinOp):
        for left in list(_rendered(node.left, function, depth)) or [GAP]:
            for right in list(_rendered(node.right, function, depth)) or [GAP]:
                yield left + right
    elif isinstance(node, ast.Name) and depth < 3:
        for value in _assigned(node.id, function):
            yield from _rendered(value, function, depth + 1)


def _assigned(name: str, function: ast.FunctionDef) -> Iterator[ast.expr]:
    for node in ast.walk(function):
        for target in node.targets if isinstance(node, ast.Assign) else ():
            pairs = [(target, node.value)]  # type: ignore[attr-defined]
            if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):  # type: ignore[attr-defined]
                pairs = list(zip(target.elts, node.value.elts, strict=False))  # type: ignore[attr-defined]
            yield from (v for one, v in pairs if isinstance(one, ast.Name) and one.id == name)


def _is_text(text: str) -> bool:
    """Whether it is a sentence rather than a key or a path."""
    return " " in text.strip() and sum(char.isalpha() for char in text) >= _SHORTEST


def page() -> str:
    """The troubleshooting page: written by hand up to its last heading, then every message."""
    by_hand, heading, rest = PAGE.read_text().partition("## Every message\n")
    introduction = rest.partition("\n| ")[0].partition("\n###")[0].rstrip()
    return f"{by_hand}{heading}{introduction}\n{''.join(_sections())}"


def _sections() -> Iterator[str]:
    for file, its in groupby(tellings(), key=lambda telling: telling.file):
        rows = dict.fromkeys(_row(telling) for telling in its)
        yield f"\n### {file}\n\n" + "".join(f"- {row}\n" for row in rows)


def _row(telling: Telling) -> str:
    return " → ".join(" / ".join(f"`{_line(text)}`" for text in each) for each in telling.texts)


def _line(text: str) -> str:
    return " ".join(text.replace("`", "'").split())


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        PAGE.write_text(page())
    else:
        print(page(), end="")
