"""A problem in the settings, and how an operator reads it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path


@dataclass(frozen=True)
class Problem:
    """One thing to correct.

    file: the file to open, as the operator would name it.
    key: the dotted path inside it (`targets.web.ssh.port`), or a place in it (`line 3, column 5`).
    found, expected, remedy: plain sentences; never a secret.
    """

    file: str
    key: str
    found: str
    expected: str
    remedy: str


class ConfigurationError(Exception):
    """The settings cannot be used; `problems` holds every reason, `str()` shows them all."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = list(problems)
        super().__init__(render(self.problems))


def render(problems: Sequence[Problem]) -> str:
    """All problems as text, one block a file, in the order given."""
    count = f"{len(problems)} problem{'' if len(problems) == 1 else 's'}"
    lines = [f"{count} in the settings; nothing was connected to, nothing was changed."]
    for file, group in groupby(_together(problems), key=lambda problem: problem.file):
        lines += ["", file]
        for problem in group:
            lines += _block(problem)
    return "\n".join(lines)


def shown(path: Path) -> str:
    """The path as an operator would type it: relative to the current folder if that is shorter."""
    try:
        relative = str(path.absolute().relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(path)
    return min(relative, str(path), key=len)


def _together(problems: Sequence[Problem]) -> list[Problem]:
    files = list(dict.fromkeys(problem.file for problem in problems))
    return sorted(problems, key=lambda problem: files.index(problem.file))


def _block(problem: Problem) -> list[str]:
    return [
        f"  {problem.key or 'the whole file'}",
        _line("found:", problem.found),
        _line("expected:", problem.expected),
        _line("do:", problem.remedy),
    ]


def _line(label: str, text: str) -> str:
    indent = " " * 14
    return f"    {label:<10}" + text.replace("\n", "\n" + indent)
