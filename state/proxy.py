"""Connections that lead through a jump host or a ProxyCommand: a process carries them."""

import signal
import socket
import subprocess
import tempfile
import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import IO

# sshd drops connections at random once ten are not logged in yet (MaxStartups).
MAX_AT_ONCE = 5
END_S = 5
_MAX_COMPLAINT_BYTES = 4000

_turns: dict[str, threading.BoundedSemaphore] = defaultdict(
    lambda: threading.BoundedSemaphore(MAX_AT_ONCE)
)


@contextmanager
def turn(way: str) -> Iterator[None]:
    """Wait for one's turn to connect by a way that others take as well."""
    with _turns[way]:
        yield


class Proxy:
    """A process that carries one connection by its standard input and output.

    It is in a session of its own: a Ctrl-C on the terminal is for the run, which still closes its
    records by this connection. It ends with ``socket``.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
        self.socket, other = socket.socketpair()
        try:
            self._process = subprocess.Popen(
                list(command),
                stdin=other.fileno(),
                stdout=other.fileno(),
                stderr=self._errors,
                start_new_session=True,
            )
        except BaseException:
            self.socket.close()
            raise
        finally:
            other.close()

    def complaint(self) -> str:
        """What the process said on standard error, once it has ended or was ended."""
        self.close()
        self._errors.seek(0)
        text = self._errors.read(_MAX_COMPLAINT_BYTES).decode(errors="replace")
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        return "; ".join(dict.fromkeys(lines[-3:]))

    def close(self) -> None:
        """End the connection and the process."""
        with suppress(OSError):
            self.socket.close()
        try:
            self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGKILL)
            self._process.wait()
