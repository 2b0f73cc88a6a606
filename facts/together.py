"""What many questions about paths have in common: one command that answers all of them.

To start a program costs a host more than what it tells, and a stack has a hundred paths.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pyinfra.facts.files import LINUX_STAT_COMMAND, File

from facts.files import STAT_COMMAND, FileState

# What neither a shell nor a program reads as anything else but a path.
_PLAIN = r"(/[A-Za-z0-9_./@:+-]{1,200})"


@dataclass(frozen=True)
class Kind:
    """One fact's questions. ``alone``: path → its command. ``pattern``: where the path is in it.

    ``stat``: the command that prints a line about a path; ``hashed``: whether a file's hash
    follows, in the words of a ``sha256sum`` that reads its standard input.
    """

    alone: Callable[[str], str]
    pattern: re.Pattern[str]
    stat: str
    hashed: bool

    def path(self, text: str) -> str | None:
        """The path that a question of this kind is about; None for any other question."""
        found = self.pattern.match(text)
        return found[1] if found and self.alone(found[1]) == text else None

    def together(self, paths: Sequence[str]) -> str:
        """A command that tells of all ``paths``; it fails where it cannot tell of one."""
        program, option, form = self.stat.split(" ", 2)
        named = form.replace("'", "'%n|", 1)
        return (
            f"set -- {' '.join(paths)}; there= files=;"
            ' for p; do { [ -e "$p" ] || [ -L "$p" ]; } || continue; there="$there $p";'
            ' [ ! -f "$p" ] || files="$files $p"; done;'
            f' [ -z "$there" ] || {program} {option} {named} $there || exit 1;'
            + (' [ -z "$files" ] || sha256sum $files' if self.hashed else " true")
        )

    def apart(self, paths: Sequence[str], lines: Sequence[str]) -> Mapping[str, list[str]]:
        """Path → the lines that its own command prints. Raises ValueError: that is not it."""
        told: dict[str, list[str]] = {path: [] for path in paths}
        for line in lines:
            path, bar, rest = line.partition("|")
            if not bar:
                digest, _, path = line.partition("  ")
                rest = f"{digest}  -"
            # First what it is, and then its hash.
            if path not in told or len(told[path]) != (0 if bar else 1):
                raise ValueError(f"not asked for: {line}")
            told[path].append(rest)
        return told


KINDS = (
    Kind(
        alone=lambda path: FileState().command(path).get_raw_value(),
        pattern=re.compile(rf"if \[ -e {_PLAIN} \] "),
        stat=STAT_COMMAND,
        hashed=True,
    ),
    Kind(
        alone=lambda path: File().command(path).get_raw_value(),
        pattern=re.compile(rf"! \(test -e {_PLAIN} "),
        stat=LINUX_STAT_COMMAND,
        hashed=False,
    ),
)
