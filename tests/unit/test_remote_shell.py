"""Commands reach sh whole, through whatever shell the login user has; noise is no answer."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from state.remote_shell import Frame, encoded

MARK = "0123456789abcdef"
NASTY = r"""printf '%s|' 'a b' "c\\d" '!x' "$((1+1))" '\047' 'größe' '%b%%' '~' "it's
two lines"; printf 'to stderr' >&2; exit 7"""
SHELLS = [
    name for name in ("sh", "bash", "dash", "zsh", "fish", "tcsh", "mksh") if shutil.which(name)
]


def _heard(output: bytes) -> tuple[bytes, int | None]:
    frame = Frame(MARK)
    return frame.feed(output) + frame.close(), frame.status


def _run(shell: str, program: str, **options: object) -> subprocess.CompletedProcess[bytes]:
    command = [shell, "-c", encoded(program, MARK)]
    return subprocess.run(command, capture_output=True, **options)  # type: ignore[call-overload,no-any-return]


@pytest.mark.parametrize("shell", SHELLS)
def test_each_shell_hands_on_the_same_command(shell: str) -> None:
    plain = subprocess.run(["sh", "-c", NASTY], capture_output=True)
    done = _run(shell, f"({NASTY})")
    assert _heard(done.stdout) == (plain.stdout, 7)
    assert _heard(done.stderr) == (b"to stderr", 7)
    assert done.returncode == plain.returncode == 7


def test_only_signs_that_no_shell_knows_within_quotes_are_sent() -> None:
    sent = encoded(NASTY, MARK).removeprefix('sh -c \'eval "$(printf %b "$1")"\' chom \'')
    assert sent.endswith("'")
    assert not set(sent[:-1]) & set("'!\n\r\t`")
    assert sent.isascii()
    # fish: a backslash before a quote or a backslash is an escape there.
    assert "\\\\" not in sent and "\\'" not in sent


def test_the_environment_is_known_whatever_the_user_has_set(tmp_path: Path) -> None:
    hostile = {
        **os.environ,
        "LC_ALL": "de_DE.UTF-8",
        "LANGUAGE": "de",
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "BASH_ENV": str(tmp_path / "x"),
        "CDPATH": "/",
    }
    program = 'umask; echo "$LC_ALL" "$PATH" "$LANGUAGE$BASH_ENV$CDPATH."'
    done = _run("sh", program, env=hostile, umask=0o077)
    answer, status = _heard(done.stdout)
    assert status == 0
    assert answer.decode().splitlines() == [
        "0022",
        "C /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin .",
    ]


def test_noise_before_and_after_is_no_answer() -> None:
    printed = _run("sh", "printf answer; false").stdout
    frame = Frame(MARK)
    got = b"".join(frame.feed(bytes([byte])) for byte in b"hello\n" + printed + b"bye\n")
    assert (got, frame.status, frame.noise) == (b"answer", 1, b"hello\n")


def test_a_server_that_prints_the_command_back_has_not_run_it() -> None:
    command = encoded("true", MARK).encode()
    assert _heard(b"unknown command: " + command + b"\n") == (b"", None)
    frame = Frame(MARK)
    frame.feed(command)
    assert not frame.has_begun


def test_what_looks_like_the_beginning_of_the_end_is_told_in_time() -> None:
    frame = Frame(MARK)
    frame.feed(f"\x1echom-{MARK}\x1e\n".encode())
    assert frame.feed(b"progress \x1e 50%\n") == b"progress \x1e 50%\n"
    assert frame.feed(b"x\x1eend-") == b"x"
    assert frame.feed(b"of the line\n") == b"\x1eend-of the line\n"
    assert frame.feed(b"last\x1e") == b"last"
    assert frame.close() == b"\x1e"


def test_a_terminals_line_ends_are_understood() -> None:
    printed = _run("sh", "echo a").stdout.replace(b"\n", b"\r\n")
    assert _heard(printed) == (b"a\r\n", 0)
