"""Limits for what targets send: a command that prints more is cut off, and fails by name.

Every line and every byte costs the controller more memory than it has bytes, and a target that
somebody else has taken over may send as much as it likes.
"""

from collections.abc import Iterator
from typing import Any

from paramiko.ssh_exception import SSHException
from pyinfra.api import Host

# Ten times of what any command of ours prints.
MAX_BYTES = 10_000_000
MAX_LINES = 100_000


class TooMuchOutput(SSHException):
    """A target sent more than any answer has."""

    def __init__(self, target: str) -> None:
        super().__init__(
            f"{target} sent more than {MAX_BYTES // 1_000_000} MB or {MAX_LINES:,} lines for one"
            " command, which no answer has: it was cut off; look for what prints so much there"
        )


def limit_output(host: Host) -> None:
    """Limit what the commands of a host's fresh connection may print."""
    client = getattr(host.connector, "client", None)
    if client is None:
        return
    plain = client.exec_command

    def exec_command(*args: Any, **kwargs: Any) -> Any:
        stdin, stdout, stderr = plain(*args, **kwargs)
        channel = _LimitedChannel(stdout.channel, host.name)
        return stdin, _LimitedStream(stdout, channel), _LimitedStream(stderr, channel)

    client.exec_command = exec_command


class Budget:
    """How much may still come. Raises TooMuchOutput from `spend` once it is more."""

    def __init__(self, target: str, max_bytes: int = MAX_BYTES, max_lines: int = MAX_LINES) -> None:
        self.target = target
        self.bytes_left = max_bytes
        self.lines_left = max_lines

    def spend(self, size: int, lines: int = 0) -> None:
        """Take off what came."""
        self.bytes_left -= size
        self.lines_left -= lines
        if self.bytes_left < 0 or self.lines_left < 0:
            raise TooMuchOutput(self.target)


class _LimitedChannel:
    """A command's channel, whose exit status is an error if the command printed too much."""

    def __init__(self, channel: Any, target: str) -> None:
        self.budget = Budget(target)
        self.problem: TooMuchOutput | None = None
        self._channel = channel

    def __getattr__(self, name: str) -> Any:
        return getattr(self._channel, name)

    def recv_exit_status(self) -> int:
        """Return the exit status. Raises TooMuchOutput."""
        if self.problem:
            raise self.problem
        status: int = self._channel.recv_exit_status()
        return status


class _LimitedStream:
    """Standard output or standard error of a command, up to the limit of both."""

    def __init__(self, stream: Any, channel: _LimitedChannel) -> None:
        self.channel = channel
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def __iter__(self) -> Iterator[str]:
        budget = self.channel.budget
        while not self.channel.problem and (
            line := self._stream.readline(max(1, budget.bytes_left + 1))
        ):
            try:
                budget.spend(len(line), 1)
            except TooMuchOutput as error:
                self.channel.problem = error
                # Whoever prints it is not waited for.
                self.channel.close()
                return
            yield line
