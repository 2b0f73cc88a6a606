"""A small terminal: what its screen shows after what a program wrote to it."""

import errno
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

_PIECE = re.compile(r"\x1b\[(?P<args>[0-9;?]*)(?P<final>[A-Za-z])|(?P<char>.)", re.DOTALL)


class Terminal:
    """A screen of some columns and lines, with what was scrolled off it. Anything else than
    printing, carriage returns, line feeds, colours, going up, and erasing to an end is an error.

    ``wrapped``: lines that did not fit.
    """

    def __init__(self, columns: int, lines: int) -> None:
        self.columns, self.height = columns, lines
        self.rows: list[list[str]] = [[]]
        self.row = self.column = 0
        self.top = 0
        self.wrapped: list[str] = []

    def resize(self, columns: int, lines: int) -> None:
        """As a terminal does that cuts what does not fit."""
        self.columns, self.height = columns, lines
        self.rows = [row[:columns] for row in self.rows]
        self.top = max(self.top, self.row - lines + 1)

    def feed(self, text: str) -> None:
        """Take what a program wrote."""
        for piece in _PIECE.finditer(text):
            if piece["char"] is not None:
                self._print(piece["char"])
            else:
                self._control(piece["final"], piece["args"])

    @property
    def shown(self) -> list[str]:
        """All lines, those scrolled away included, without blanks at their ends."""
        lines = ["".join(row).rstrip() for row in self.rows]
        while lines and not lines[-1]:
            lines.pop()
        return lines

    def _print(self, character: str) -> None:
        if character == "\r":
            self.column = 0
        elif character == "\n":
            self._down()
        else:
            assert character.isprintable() or character == "\u200d", repr(character)
            if unicodedata.category(character) in ("Mn", "Me", "Cf"):
                return
            wide = unicodedata.east_asian_width(character) in "WF"
            cells = [character, ""] if wide else [character]
            if self.column + len(cells) > self.columns:
                self.wrapped.append("".join(self.rows[self.row]))
                self.column = 0
                self._down()
            row = self.rows[self.row]
            row += [" "] * (self.column - len(row))
            row[self.column : self.column + len(cells)] = cells
            self.column += len(cells)

    def _down(self) -> None:
        self.row += 1
        if self.row == len(self.rows):
            self.rows.append([])
        self.top = max(self.top, self.row - self.height + 1)

    def _control(self, final: str, arguments: str) -> None:
        if final == "A":
            self.row -= int(arguments or 1)
            assert self.row >= self.top, "above the screen"
        elif final == "J":
            assert arguments in ("", "0")
            del self.rows[self.row][self.column :]
            del self.rows[self.row + 1 :]
        elif final == "K":
            assert arguments in ("", "0")
            del self.rows[self.row][self.column :]
        else:
            assert final == "m", f"an unknown control sequence: {arguments}{final}"


class Session:
    """A program on a terminal of its own; all that it writes is kept."""

    def __init__(
        self,
        command: Sequence[str],
        folder: Path,
        env: Mapping[str, str],
        columns: int = 100,
        lines: int = 30,
    ) -> None:
        self.terminal = Terminal(columns, lines)
        self.frames: list[list[str]] = []
        self.text = ""
        self._rest = b""
        self._fd, inner = pty.openpty()
        self._set_size(columns, lines)
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            env={**env, "TERM": "xterm"},
            stdin=inner,
            stdout=inner,
            stderr=inner,
            start_new_session=True,
        )
        os.close(inner)

    def resize(self, columns: int, lines: int) -> None:
        """Give the window another size, as a person does."""
        self.read(0)
        self.terminal.resize(columns, lines)
        self._set_size(columns, lines)
        os.kill(self.process.pid, signal.SIGWINCH)

    def _set_size(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def read(self, timeout_s: float) -> bool:
        """Take what was written; returns whether there may be more. Each time is a frame."""
        ready, _, _ = select.select([self._fd], [], [], timeout_s)
        if not ready:
            return True
        try:
            data = os.read(self._fd, 65536)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            data = b""
        if not data:
            return False
        whole = self._rest + data
        text = whole.decode(errors="ignore")
        self._rest = whole[len(text.encode()) :]
        self.text += text
        self.terminal.feed(text)
        self.frames.append(self.terminal.shown)
        return True

    def wait_for(self, condition: Callable[["Session"], bool], timeout_s: float) -> None:
        """Read on until something is true of it."""
        end = time.monotonic() + timeout_s
        while not condition(self):
            assert self.read(0.2) and time.monotonic() < end, "\n".join(self.terminal.shown)

    def wait(self, timeout_s: float) -> int:
        """Read to the end; returns the exit code."""
        end = time.monotonic() + timeout_s
        try:
            while self.read(1):
                assert time.monotonic() < end, "\n".join(self.terminal.shown)
            return self.process.wait(10)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            os.close(self._fd)
