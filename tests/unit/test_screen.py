"""The end of a terminal that is drawn over: on a real pseudo-terminal, read by a small one."""

import fcntl
import os
import pty
import select
import struct
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

import click
import pytest

from state.screen import Screen, Shown
from state.scrubbing import Scrubber
from tests.terminal import Terminal

SECRET = "hunter2hunter2"


class Window:
    """A pseudo-terminal, and what is to be seen on it."""

    def __init__(self, columns: int = 60, lines: int = 10) -> None:
        self.fd, self.inner = pty.openpty()
        self.terminal = Terminal(columns, lines)
        self._set(columns, lines)
        self.lines = ["one", "two", "three"]
        self.written = ""

    def _set(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def resize(self, columns: int, lines: int) -> None:
        self.read()
        self._set(columns, lines)
        self.terminal.resize(columns, lines)

    def draw(self, columns: int) -> list[str]:
        return [line[:columns] for line in self.lines]

    def read(self) -> str:
        """What was written since the last time; the terminal has taken it."""
        text = ""
        while select.select([self.fd], [], [], 0.05)[0]:
            text += os.read(self.fd, 65536).decode()
        self.terminal.feed(text)
        self.written += text
        return text

    @property
    def shown(self) -> list[str]:
        self.read()
        return self.terminal.shown


@pytest.fixture
def window() -> Iterator[Window]:
    made = Window()
    yield made
    os.close(made.inner)
    os.close(made.fd)


def test_only_what_changed_is_drawn(window: Window) -> None:
    screen = Screen(window.inner, window.draw)
    screen.draw()
    assert window.shown == ["one", "two", "three"]
    screen.draw()
    assert window.read() == ""
    window.lines[1] = "2"
    screen.draw()
    text = window.read()
    assert "2" in text and "one" not in text and "three" not in text
    assert window.terminal.shown == ["one", "2", "three"]


def test_the_cursor_comes_back_to_its_first_line(window: Window) -> None:
    """Also where the end of the window was reached and all was scrolled."""
    screen = Screen(window.inner, window.draw)
    for number in range(30):
        screen.show_above(f"line {number}\n")
        assert window.shown == [f"line {each}" for each in range(number + 1)] + window.lines
        assert window.terminal.column == 0
    assert window.terminal.row == 30


def test_more_and_fewer_lines(window: Window) -> None:
    screen = Screen(window.inner, window.draw)
    for lines in (["one"], ["one", "two", "three", "four"], [], ["one", "two"]):
        window.lines = lines
        screen.draw()
        assert window.shown == lines


def test_more_lines_than_the_window_has(window: Window) -> None:
    window.lines = [f"target {number}" for number in range(40)]
    screen = Screen(window.inner, window.draw)
    screen.draw()
    screen.show_above("above\n")
    assert window.shown == ["above", *window.lines[:9]]


def test_nothing_remains_of_it(window: Window) -> None:
    screen = Screen(window.inner, window.draw)
    screen.show_above("above\n")
    screen.clear()
    os.write(window.inner, b"the summary\r\n")
    assert window.shown == ["above", "the summary"]


def test_a_narrower_window_gets_narrower_lines(window: Window) -> None:
    window.lines = ["x" * 200, "y" * 200]
    screen = Screen(window.inner, window.draw)
    screen.draw()
    assert window.shown == ["x" * 59, "y" * 59]
    for columns, lines in ((40, 10), (20, 5), (100, 30)):
        window.resize(columns, lines)
        screen.draw()
        expected = ["x" * (columns - 1), "y" * (columns - 1)]
        assert window.shown == expected
    assert window.terminal.wrapped == []


def test_each_frame_is_one_write(window: Window, monkeypatch: pytest.MonkeyPatch) -> None:
    writes: list[bytes] = []

    def write(fd: int, data: bytes) -> int:
        writes.append(data)
        return len(data)

    screen = Screen(window.inner, window.draw)
    monkeypatch.setattr(os, "write", write)
    screen.draw()
    screen.show_above("a\nb\n")
    window.lines[0] = "1"
    screen.draw()
    assert len(writes) == 3


def test_a_write_in_the_middle_of_a_frame_comes_after_it(window: Window) -> None:
    """As a signal's handler does that prints."""
    screen = Screen(window.inner, lambda columns: lines())
    told = iter(["interrupted\n"])

    def lines() -> list[str]:
        if text := next(told, ""):
            screen.show_above(text)
        return ["one", "two"]

    screen.draw()
    assert window.shown == ["interrupted", "one", "two"]


def test_a_closed_window_is_no_error() -> None:
    window = Window()
    screen = Screen(window.inner, window.draw)
    os.close(window.inner)
    screen.draw()
    screen.show_above("above\n")
    screen.clear()
    os.close(window.fd)


@contextmanager
def shown(window: Window) -> Iterator[Shown]:
    """A screen in the place of standard error."""
    with os.fdopen(os.dup(window.inner), "w") as stream, mock.patch("sys.stderr", stream):
        made = Shown(window.draw, Scrubber({"PASSWORD": SECRET}))
        made.begin()
        yield made
        if sys.stderr is not stream:
            made.end()


def test_whatever_is_printed_appears_above_intact(window: Window) -> None:
    with shown(window):
        click.echo(click.style("red", fg="red"), err=True)
        print("plain", "words", file=sys.stderr)
        sys.stderr.write("half a ")
        assert window.shown == ["red", "plain words", *window.lines]
        sys.stderr.write("line\n")
        assert window.shown == ["red", "plain words", "half a line", *window.lines]
        assert "\x1b[31mred" in window.written


def test_what_has_no_end_is_printed_at_the_end(window: Window) -> None:
    with shown(window) as screen:
        sys.stderr.write("no end")
        screen.end()
        print("the summary", file=sys.stderr, flush=True)
        assert window.shown == ["no end", "the summary"]


def test_control_sequences_in_what_is_printed_do_nothing(window: Window) -> None:
    with shown(window):
        print("a\x1b[2Jb\rc\x1b[1;1Hd", file=sys.stderr)
        assert window.shown == ["abcd", *window.lines]


def test_secrets_are_not_printed_there_either(window: Window) -> None:
    with shown(window):
        print(f"it is {SECRET}", file=sys.stderr)
        assert window.shown == ["it is [secret PASSWORD]", *window.lines]


def test_what_ends_a_run_in_the_middle_of_a_frame_is_heard() -> None:
    """A signal's handler says something, and leaves; nothing is drawn any more."""
    window = Window()

    def lines(columns: int) -> list[str]:
        screen.show_above("--> Interrupted\n")
        raise SystemExit(130)

    screen = Screen(window.inner, lines)
    with pytest.raises(SystemExit):
        screen.draw()
    screen.clear()
    os.write(window.inner, b"afterwards\r\n")
    assert window.shown == ["--> Interrupted", "afterwards"]
