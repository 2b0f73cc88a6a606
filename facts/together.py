"""What many questions about paths have in common: one command that answers all of them.

To start a program costs a host more than what it tells, and a stack has a hundred paths.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pyinfra.facts.files import LINUX_STAT_COMMAND, File

from facts.files import STAT_COMMAND, FileState, about_all

# What neither a shell nor a program reads as anything else but a path.
_PLAIN = r"/[A-Za-z0-9_./@:+-]{1,200}"
# With the longest of paths, a command is still shorter than a question may be.
AT_ONCE = 100
_SEVERAL = re.compile(rf"set -- ({_PLAIN}(?: {_PLAIN})*);")


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
    at_once: int = AT_ONCE

    def subjects(self, text: str) -> tuple[str, ...]:
        """The paths that a question of this kind is about; none for any other question."""
        if (one := self.pattern.match(text)) and self.alone(one[1]) == text:
            return (one[1],)
        if (several := _SEVERAL.match(text)) and self.together(several[1].split()) == text:
            return tuple(several[1].split())
        return ()

    def together(self, paths: Sequence[str]) -> str:
        """A command that tells of all ``paths``; it fails where it cannot tell of one."""
        return about_all(self.stat, paths, self.hashed)

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

    def answer(self, text: str, told: Mapping[str, list[str]]) -> list[str]:
        """What the question ``text`` is answered when its paths are told of in these lines."""
        paths = self.subjects(text)
        if self.together(paths) != text:
            return told[paths[0]]
        stats = [f"{path}|{told[path][0]}" for path in paths if told[path]]
        hashes = [f"{told[path][1][:-1]}{path}" for path in paths if len(told[path]) > 1]
        return stats + hashes


KINDS = (
    Kind(
        alone=lambda path: FileState().command(path).get_raw_value(),
        pattern=re.compile(rf"if \[ -e ({_PLAIN}) \] "),
        stat=STAT_COMMAND,
        hashed=True,
    ),
    Kind(
        alone=lambda path: File().command(path).get_raw_value(),
        pattern=re.compile(rf"! \(test -e ({_PLAIN}) "),
        stat=LINUX_STAT_COMMAND,
        hashed=False,
    ),
)
