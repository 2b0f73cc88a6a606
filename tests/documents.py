"""The documents, and the commands in them: which test runs each, or why none can.

A block of the language ``console`` has commands after ``$`` and lines that they print, in order,
where ``…`` stands for anything. The words after ``console`` name who runs it. A comment
``<!-- not run: REASON -->`` right before the block says why nobody does.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.lab.paths import PROJECT

# Shown, and nothing that anybody would run.
SHOWN = ("text", "yaml", "python", "diff")
# Who runs a block: nobody's machine is needed, the lab's are, they are and it takes a minute or
# more, or the test of the component that the document adds.
RUNNERS = ("", "lab", "lab slow", "component")
_FENCE = re.compile(r" *```(.*)")
_REASON = re.compile(r" *<!-- not run: (.+) -->")
_CODE = re.compile(r"# exit code (\d+)\s*$")
# What a document says → what is run instead where nobody is there to confirm.
CONFIRMED = {
    r"(deploy|rollback)\.py(?!.*--dry)": r"\1.py -y",
    r"teardown\.py(?!.*--dry)": "teardown.py -y --data yes_teardown=observability,vpsmanager",
}
LIMIT_S = 900


@dataclass(frozen=True)
class Command:
    """What a document says to type, the exit code, and lines that it prints."""

    text: str
    code: int
    printed: Sequence[str]


@dataclass(frozen=True)
class Block:
    """A fenced block. ``line``: of its fence, from 1; ``reason``: why it is not run."""

    document: Path
    line: int
    language: str
    words: str
    lines: Sequence[str]
    reason: str = ""

    @property
    def place(self) -> str:
        """Where to look for it."""
        return f"{self.document.relative_to(PROJECT)}:{self.line}"

    @property
    def text(self) -> str:
        """All of it."""
        return "\n".join(self.lines) + "\n"

    @property
    def commands(self) -> list[Command]:
        """What it says to type, in order; ValueError where it begins with something else."""
        typed: list[list[str]] = []
        for line in self.lines:
            if line.startswith("$ "):
                typed.append([line.removeprefix("$ ")])
            elif typed:
                typed[-1].append(line)
            else:
                raise ValueError(f"{self.place} does not begin with a command")
        return [_command(lines) for lines in typed]


def documents() -> list[Path]:
    """README.md and the pages beside it."""
    return [PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md"))]


def blocks(document: Path) -> list[Block]:
    """The fenced blocks of a document, in order; ValueError where one does not end."""
    found: list[Block] = []
    lines = document.read_text().splitlines()
    start: int | None = None
    for number, line in enumerate(lines):
        fence = _FENCE.fullmatch(line)
        if fence and start is None:
            start = number
        elif fence and start is not None:
            found.append(_block(document, lines, start, number))
            start = None
    if start is not None:
        raise ValueError(f"{document.name}:{start + 1} begins a block that does not end")
    return found


def to_run(words: str) -> list[tuple[str, list[Command]]]:
    """The name of each document with the commands that ``words`` runs in it, in order."""
    found = []
    for document in documents():
        its = [each for each in blocks(document) if _is_run_by(each, words)]
        if its:
            found.append((document.name, [command for each in its for command in each.commands]))
    return found


def terminal(home: Path) -> dict[str, str]:
    """The environment of an operator's terminal, once `.venv/bin/activate` was said in it."""
    plain = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("CHOM_", "PYINFRA_", "GITHUB_", "GITLAB_")) and name != "CI"
    }
    path = f"{Path(sys.executable).parent}:{plain['PATH']}"
    return {**plain, "PATH": path, "HOME": str(home), "EDITOR": "true"}


def _is_run_by(block: Block, words: str) -> bool:
    return block.language == "console" and block.words == words and not block.reason


def outside(document: Path) -> Iterator[tuple[int, str]]:
    """The lines of a document that are in no block, with their numbers."""
    inside: set[int] = set()
    for block in blocks(document):
        inside.update(range(block.line, block.line + len(block.lines) + 2))
    for number, line in enumerate(document.read_text().splitlines(), 1):
        if number not in inside:
            yield number, line


def run(
    command: Command,
    folder: Path,
    env: Mapping[str, str],
    substitutions: Mapping[str, str],
    typed: str = "",
) -> str:
    """Run a command as somebody would type it, without a terminal; returns all that it printed.

    ``substitutions``: regular expression → what stands for it here, in this order. ``typed``: its
    standard input. AssertionError where it ends or prints otherwise than the document says.
    """
    text = command.text
    for pattern, replacement in substitutions.items():
        text = re.sub(pattern, replacement, text)
    done = subprocess.run(
        ["bash", "-c", text],
        cwd=folder,
        env=dict(env),
        input=typed,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LIMIT_S,
    )
    said = f"$ {text}\nexit code {done.returncode}\n{done.stdout[-6000:]}"
    assert done.returncode == command.code, said
    assert "Traceback" not in done.stdout, said
    rest = iter(done.stdout.splitlines())
    for expected in command.printed:
        wanted = re.compile(".*".join(map(re.escape, expected.split("…"))))
        assert any(wanted.fullmatch(line.rstrip()) for line in rest), f"no {expected!r}\n{said}"
    return done.stdout


def _block(document: Path, lines: Sequence[str], start: int, end: int) -> Block:
    language, _, words = lines[start].strip().removeprefix("```").partition(" ")
    indent = len(lines[start]) - len(lines[start].lstrip())
    reason = _REASON.fullmatch(lines[start - 1]) if start else None
    inner = [line[indent:] for line in lines[start + 1 : end]]
    return Block(document, start + 1, language, words, inner, reason[1] if reason else "")


def _command(lines: Sequence[str]) -> Command:
    text, *printed = lines
    code = _CODE.search(text)
    return Command(text, int(code[1]) if code else 0, [line.rstrip() for line in printed if line])
