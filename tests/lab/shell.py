"""Running programs, and the one exception that a user of the lab ever sees."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Mapping, Sequence


class LabError(Exception):
    """Something that the user can understand and act on; printed as one line."""


def run(
    *command: str,
    input: str | None = None,
    check: bool = True,
    timeout: float = 120,
    env: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end with its output captured.

    Args:
        command: The program and its arguments; no shell is involved.
        input: Text for its standard input; nothing by default.
        check: Raise `LabError` when it fails.
        timeout: Seconds that it may take.
        env: Its whole environment; this process's own by default.

    Raises:
        LabError: It is not installed, took too long, or (with `check`) failed.
    """
    try:
        done = subprocess.run(
            command, input=input or "", text=True, capture_output=True, timeout=timeout, env=env
        )
    except FileNotFoundError as error:
        raise LabError(f"{command[0]} is not installed") from error
    except subprocess.TimeoutExpired as error:
        raise LabError(f"`{shorten(command)}` did not end within {timeout:g} s") from error
    if check and done.returncode != 0:
        raise LabError(failure(command, done))
    return done


def failure(command: Sequence[str], done: subprocess.CompletedProcess[str]) -> str:
    """One line that says which program failed, and its own last words."""
    words = (done.stderr.strip() or done.stdout.strip() or "no output").splitlines()[-1]
    return f"`{shorten(command)}` failed with exit code {done.returncode}: {words}"


def shorten(command: Sequence[str], limit: int = 160) -> str:
    """The command as one would type it, cut to `limit` characters and to one line."""
    text = " ".join(shlex.join(command).split())
    return text if len(text) <= limit else text[: limit - 1] + "…"
