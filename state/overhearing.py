"""What commands tell of their progress while they run, which pyinfra hands out at their end only.

It is heard where the lines come in, and kept in the host's ``connector_data``; there it is the
latest one for whoever shows it. The command's output is without it.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pyinfra.api import Host

from facts.progress import bytes_told, told

_KEY = "progress"


@dataclass(frozen=True)
class Heard:
    """``said``: what the command said last. ``at``: when, by the monotonic clock, in seconds.

    ``rate``: bytes per second of a download, since the first time that it told.
    """

    said: str
    at: float
    first: tuple[float, int] | None = None

    def __str__(self) -> str:
        size = bytes_told(self.said)
        if size is None:
            return self.said
        text = f"{size / 1e6:.1f} MB"
        if self.first and self.at > self.first[0] and size > self.first[1]:
            text += f", {(size - self.first[1]) / (self.at - self.first[0]) / 1e6:.1f} MB/s"
        return text


def overhear(host: Host) -> None:
    """Listen on a host's fresh connection; other connectors than SSH have nothing to hear."""
    client = getattr(host.connector, "client", None)
    if client is None:
        return
    plain = client.exec_command

    def exec_command(*args: Any, **kwargs: Any) -> Any:
        stdin, stdout, stderr = plain(*args, **kwargs)
        return stdin, _Overheard(stdout, host), stderr

    client.exec_command = exec_command


def heard(host: Host) -> Heard | None:
    """What was heard last of the operation under way."""
    found: Heard | None = host.connector_data.get(_KEY)
    return found


def forget(host: Host) -> None:
    """Forget what was heard: another operation begins."""
    host.connector_data.pop(_KEY, None)


class _Overheard:
    """A command's standard output, without the lines that tell of its progress."""

    def __init__(self, stream: Any, host: Host) -> None:
        self._stream = stream
        self._host = host

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def __iter__(self) -> Iterator[str]:
        for line in self._stream:
            said = told(line)
            if said is None:
                yield line
            elif said:
                self._note(said)

    def _note(self, said: str) -> None:
        now, last = time.monotonic(), heard(self._host)
        size = bytes_told(said)
        first = last.first if last else None
        if size is not None and first is None:
            first = (now, size)
        self._host.connector_data[_KEY] = Heard(said, now, first)
