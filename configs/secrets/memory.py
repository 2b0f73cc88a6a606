"""A folder in memory for plain text, gone on every way out."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from configs.secrets.files import refusal

FOLDER = Path("/dev/shm")
_MOUNTS = Path("/proc/self/mounts")
_SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


@contextmanager
def folder_in_memory() -> Iterator[Path]:
    """A folder of this user alone that no disk ever holds; removed with all that is in it.

    Also after SIGTERM, SIGHUP and SIGQUIT, which become SystemExit here, and after SIGKILL: a
    second process waits for the end of this one. Raises ConfigurationError without such storage.
    """
    _check()
    with _signals_as_exit():
        folder = Path(tempfile.mkdtemp(prefix="chom-", dir=FOLDER))
        try:
            with _removed_after_a_kill(folder):
                yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _check() -> None:
    try:
        mounts = [line.split()[1:3] for line in _MOUNTS.read_text().splitlines()]
    except OSError:
        mounts = []
    if [str(FOLDER), "tmpfs"] not in mounts:
        raise refusal(
            FOLDER,
            "",
            "no storage in memory",
            "a tmpfs: the plain text must never be on a disk",
            "python -m configs secrets set NAME, which needs none",
        )


@contextmanager
def _removed_after_a_kill(folder: Path) -> Iterator[None]:
    # The shell's input ends when the last holder of the pipe does, whatever ended it.
    command = ["sh", "-c", 'cat; rm -rf -- "$1"', "sh", str(folder)]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=quiet, stderr=quiet, start_new_session=True
    ):
        yield


@contextmanager
def _signals_as_exit() -> Iterator[None]:
    def leave(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, leave) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def write_new(path: Path, text: str) -> None:
    """Write a new file of mode 0600."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w", encoding="utf-8", newline="") as file:
        file.write(text)
