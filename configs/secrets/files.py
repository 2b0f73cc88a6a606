"""Private files: written as a whole or not at all, by one command at a time."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from configs.problems import ConfigurationError, Problem, shown


def refusal(file: Path | str, key: str, found: str, expected: str, do: str) -> ConfigurationError:
    """The error for a single problem."""
    name = shown(file) if isinstance(file, Path) else file
    return ConfigurationError([Problem(name, key, found, expected, do)])


def reason(error: OSError) -> str:
    """What the system says of it, in small letters."""
    return (error.strerror or type(error).__name__).lower()


def write_whole(path: Path, content: str, mode: int = 0o600) -> None:
    """Put the text in the file's place; on disk when this returns.

    A kill at any moment leaves the old file or the new one. Raises ConfigurationError.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        _replace(Path(os.path.realpath(path)), content.encode(), mode)
    except OSError as error:
        raise refusal(
            path,
            "",
            f"it could not be written: {reason(error)}",
            "a folder that you can write to, with space left",
            "correct that and run the command again; what was there before is unchanged",
        ) from None


def _replace(path: Path, content: bytes, mode: int) -> None:
    # Always the same name: the next write takes away what a killed one left behind.
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    try:
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        os.replace(new, path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


# What writes is done in a moment; an editor that is open is not waited for.
PATIENCE_S = 2.0


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Keep other commands from changing the file until this one is done.

    The lock is on the folder: it leaves no file behind, and the system drops it with the process.
    Raises ConfigurationError if another command holds it.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise refusal(
            path, "", reason(error), "a file in a folder that you can open", "correct the path"
        ) from None
    try:
        _lock(path, folder)
        yield
    finally:
        # Not left to the closing: where gevent is at work, os.close returns before it is done.
        with suppress(OSError):
            fcntl.flock(folder, fcntl.LOCK_UN)
        os.close(folder)


def _lock(path: Path, folder: int) -> None:
    end = time.monotonic() + PATIENCE_S
    try:
        while not _locked(folder):
            if time.monotonic() > end:
                raise BlockingIOError
            time.sleep(0.02)
    except BlockingIOError:
        found = "another command is changing the secrets"
        do = "wait until it is done (an editor may still be open), then run this one again"
        raise refusal(path, "", found, "one at a time", do) from None
    except OSError as error:
        found, expected = f"it cannot be locked: {reason(error)}", "a file system with locks"
        raise refusal(path, "", found, expected, "move the file to a local disk") from None


def _locked(folder: int) -> bool:
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
