"""The end of a terminal, drawn over and over; whatever else is printed appears above it.

The cursor rests at its first line: what a terminal does to lines when its window changes does not
matter then, for all from there on is drawn anew. One frame is one write.
"""

import io
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, BinaryIO, cast

from state.columns import coloured
from state.scrubbing import ScrubbedStream, Scrubber, replace_stream

SIZE = os.terminal_size((80, 24))
_CLEAR_BELOW, _CLEAR_LINE = "\r\x1b[J", "\x1b[K"

# Columns → lines, of which none may be wider.
Lines = Callable[[int], Sequence[str]]


class Screen:
    """Shows ``lines`` on the terminal ``fd``; what a scrubber finds is not shown above it."""

    def __init__(self, fd: int, lines: Lines, encoding: str = "utf-8") -> None:
        self._fd = fd
        self._lines = lines
        self._encoding = encoding
        self._drawn: Sequence[str] = ()
        self._size = SIZE
        self._above = ""
        self._drawing = False
        self._gone = False

    def draw(self) -> None:
        """Draw what has changed; after a change of the window, all of it."""
        if self._drawing:  # a signal's handler prints in the middle of it
            return
        self._drawing = True
        try:
            self._draw()
            while self._above:
                self._draw()
        finally:
            self._drawing = False

    @property
    def is_resized(self) -> bool:
        """Whether the window has another size than when it was drawn."""
        return self._measure() != self._size

    def show_above(self, text: str) -> None:
        """Print whole lines above."""
        self._above += text
        self.draw()

    def clear(self) -> None:
        """Leave nothing of it behind, and the cursor where it began.

        Whoever ended the run in the middle of a frame may have said something that waits yet.
        """
        above, self._above = self._above, ""
        self._write(_CLEAR_BELOW + above.replace("\n", "\r\n"))
        self._drawn = ()

    def _draw(self) -> None:
        above, self._above = self._above, ""
        size = self._measure()
        lines = self._lines(max(1, size.columns - 1))[: max(1, size.lines - 1)]
        if above or size != self._size or len(lines) != len(self._drawn):
            text = _CLEAR_BELOW + above.replace("\n", "\r\n") + "\r\n".join(lines)
        elif lines != self._drawn:
            pairs = zip(lines, self._drawn, strict=True)
            text = "\r\n".join(new + _CLEAR_LINE if new != old else "" for new, old in pairs)
            text = f"\r{text}"
        else:
            return
        self._size, self._drawn = size, lines
        self._write(text + _back_over(len(lines)))

    def _measure(self) -> os.terminal_size:
        try:
            size = os.get_terminal_size(self._fd)
        except OSError:
            return SIZE
        return size if size.columns and size.lines else SIZE

    def _write(self, text: str) -> None:
        data = text.encode(self._encoding, "replace")
        while data and not self._gone:
            try:
                data = data[os.write(self._fd, data) :]
            except OSError:  # the window was closed; the run is none of its business
                self._gone = True


def _back_over(lines: int) -> str:
    return f"\r\x1b[{lines - 1}A" if lines > 1 else "\r"


class Above(io.BufferedIOBase):
    """A stream whose whole lines are shown above a screen."""

    def __init__(self, screen: Screen, fd: int) -> None:
        self._screen = screen
        self._fd = fd
        self._waiting = b""

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._fd

    def write(self, data: Any) -> int:
        lines, end, rest = (self._waiting + bytes(data)).rpartition(b"\n")
        self._waiting = rest
        if end:
            self._screen.show_above(_sound(lines + end))
        return len(data)

    def end(self) -> None:
        """Show what has no end."""
        if self._waiting:
            self.write(b"\n")


def _sound(data: bytes) -> str:
    return coloured(data.decode("utf-8", "replace"))


class Shown:
    """Standard error while a screen is shown: all that is printed there goes above it."""

    def __init__(self, lines: Lines, scrubber: Scrubber) -> None:
        self._plain = sys.stderr
        fd = self._plain.fileno()
        self.screen = Screen(fd, lines, self._plain.encoding)
        self._above = Above(self.screen, fd)
        self._stream = io.TextIOWrapper(
            cast(BinaryIO, ScrubbedStream(cast(BinaryIO, self._above), scrubber)),
            encoding="utf-8",
            errors="replace",
            line_buffering=True,
        )

    def begin(self) -> None:
        self._plain.flush()
        replace_stream("stderr", self._stream)
        self.screen.draw()

    def end(self) -> None:
        """Give standard error back, without the screen."""
        self._stream.flush()
        self._above.end()
        self.screen.clear()
        replace_stream("stderr", self._plain)
