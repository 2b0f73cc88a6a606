"""Excerpts of a unit's journal: what says why a service does not run is among the lines shown."""

import subprocess
from collections.abc import Sequence

import pytest

from tasks.operations.journal import EXCERPT, LAST_LINES, MOST_CHARACTERS, explained

STACK = [f"goroutine {number} [running]:" for number in range(60)]
START = "Starting alloy.service - Alloy..."
END = ["alloy.service: Main process exited, code=exited, status=2/INVALIDARGUMENT"]


def excerpt(lines: Sequence[str]) -> list[str]:
    text = "".join(f"{line}\n" for line in lines)
    done = subprocess.run(
        ["sh", "-c", EXCERPT], input=text, capture_output=True, text=True, check=True
    )
    assert not done.stderr
    return done.stdout.splitlines()


def test_a_panic_is_shown_by_its_first_line_and_the_last_lines_of_the_journal() -> None:
    found = excerpt([START, "panic: operation not permitted", "", *STACK, *END])
    assert found[:3] == ["panic: operation not permitted", "", STACK[0]]
    assert found[3] == "(48 lines left out)"
    assert found[4:] == [*STACK, *END][-LAST_LINES:]


@pytest.mark.parametrize(
    "line",
    [
        "fatal error: runtime: out of memory",
        "Traceback (most recent call last):",
        'ts=2026-11-29T10:00:00Z level=error msg="cannot listen"',
        "2026-11-29 10:00:00 0 [ERROR] Can't start server: Bind on TCP/IP port",
        "nginx: [emerg] bind() to 0.0.0.0:80 failed",
        '{"level":"error","msg":"no"}',
        "PHP Fatal error:  Uncaught Error",
    ],
)
def test_every_way_to_say_why_is_found(line: str) -> None:
    assert excerpt([START, "a notice", line, *STACK, *END])[0] == line


def test_the_reason_is_that_of_the_last_start_that_gave_one() -> None:
    earlier = [START, "panic: an older reason", *STACK, *END]
    last = [START, "panic: the reason", "panic: a consequence", *STACK, *END]
    unsaid = [START, *STACK]
    assert excerpt([*earlier, *last, *unsaid])[:2] == ["panic: the reason", "panic: a consequence"]


def test_a_short_journal_is_shown_whole_and_once() -> None:
    lines = [START, "panic: the reason", *END]
    assert excerpt(lines) == lines
    assert excerpt([]) == []


def test_a_reason_that_is_not_found_leaves_the_last_lines() -> None:
    assert excerpt(STACK) == STACK[-LAST_LINES:]


def test_a_long_line_is_cut() -> None:
    assert excerpt(["x" * 5000]) == ["x" * MOST_CHARACTERS]


def test_the_command_itself_fails_with_the_excerpt() -> None:
    journalctl = "journalctl() { echo panic: why; }; "
    done = subprocess.run(
        ["sh", "-c", journalctl + explained("a.service", "false")], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr == "a.service: systemctl failed; its journal says:\npanic: why\n"
