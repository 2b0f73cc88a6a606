"""What stands at a path on a host."""

import shlex
from collections.abc import Sequence
from typing import TypedDict

from pyinfra.api import FactBase, QuoteString, StringCommand

STAT_COMMAND = "stat -c '%F|%a|%U|%G'"


class FileData(TypedDict):
    """``sha256`` in hex (empty for what is no regular file), ``mode`` as ``stat`` prints it."""

    kind: str
    mode: str
    user: str
    group: str
    sha256: str


class FileState(FactBase[FileData | None]):
    """A file's kind, mode, owner and content hash in one command; None where there is none."""

    def command(self, path: str) -> StringCommand:
        quoted = QuoteString(path)
        return StringCommand(
            "if", "[ -e", quoted, "] || [ -L", quoted, "]; then",
            STAT_COMMAND, quoted, ";",
            "[ ! -f", quoted, "] || sha256sum <", quoted, "; fi",
        )  # fmt: skip

    def process(self, output: list[str]) -> FileData | None:
        kind, mode, user, group = output[0].split("|")
        sha256 = output[1].split()[0] if len(output) > 1 else ""
        return FileData(kind=kind, mode=mode, user=user, group=group, sha256=sha256)


def about_all(stat: str, paths: Sequence[str], hashed: bool) -> str:
    """A shell command that tells of those of ``paths`` that are there; it fails where it cannot.

    ``stat``: what prints a line about a path, after the path and a bar. ``hashed``: whether the
    hashes of the regular files follow.
    """
    program, option, form = stat.split(" ", 2)
    named = form.replace("'", "'%n|", 1)
    return (
        f"set -- {shlex.join(paths)};"
        ' for p; do shift; { [ -e "$p" ] || [ -L "$p" ]; } && set -- "$@" "$p"; done;'
        f' [ $# = 0 ] || {program} {option} {named} "$@" || exit 1;'
        ' for p; do shift; [ ! -f "$p" ] || set -- "$@" "$p"; done;'
        + (' [ $# = 0 ] || sha256sum "$@"' if hashed else " true")
    )


class FileStates(FactBase[dict[str, FileData]]):
    """Path → the same of those of ``paths`` that are there, by one command for all."""

    default = dict

    def command(self, paths: Sequence[str]) -> StringCommand:
        return StringCommand(about_all(STAT_COMMAND, paths, hashed=True))

    def process(self, output: list[str]) -> dict[str, FileData]:
        found: dict[str, FileData] = {}
        for line in output:
            path, bar, told = line.partition("|")
            if bar:
                kind, mode, user, group = told.split("|")
                found[path] = FileData(kind=kind, mode=mode, user=user, group=group, sha256="")
            else:
                digest, _, path = line.partition("  ")
                found[path]["sha256"] = digest
        return found


class FileText(FactBase[list[str]]):
    """The lines of a text file; an empty list where there is none. Never for secrets."""

    default = list

    def command(self, path: str) -> StringCommand:
        quoted = QuoteString(path)
        return StringCommand("[ ! -f", quoted, "] || cat", quoted)

    def process(self, output: list[str]) -> list[str]:
        return output


class FileNames(FactBase[list[str]]):
    """The names in a folder that match a shell pattern; an empty list where there is no folder."""

    default = list

    def command(self, folder: str, pattern: str) -> StringCommand:
        return StringCommand(
            "[ ! -d", QuoteString(folder), "] || find", QuoteString(folder),
            "-mindepth 1 -maxdepth 1 ! -type d -name", QuoteString(pattern), "-printf '%f\\n'",
        )  # fmt: skip

    def process(self, output: list[str]) -> list[str]:
        return output
