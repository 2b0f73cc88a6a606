"""Reads files as they grow, also across their rotation."""

from __future__ import annotations

import glob
import os
import threading
import time
from collections.abc import Mapping, Sequence
from typing import BinaryIO

from .pipeline import Entry, Receiver
from .positions import Positions
from .web import Metrics, log

POLL_S = 0.25


class Tail:
    """The files of one or more patterns.

    Args:
        patterns: The labels of each target; `__path__` is a glob, `__path_exclude__` too.
        then: Takes every line, with the target's labels and `filename`.
        positions: Where to begin, and to say how far one is.
        metrics: Where to count.
        prefix: How the names of the metrics begin.
    """

    def __init__(
        self,
        patterns: Sequence[Mapping[str, str]],
        then: Receiver,
        positions: Positions,
        metrics: Metrics,
        prefix: str,
    ) -> None:
        self._patterns, self._then, self._positions = patterns, then, positions
        self._metrics, self._prefix = metrics, prefix
        self._files: dict[str, _File] = {}
        self._refused: set[str] = set()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Read no more."""
        self._ending.set()
        self._thread.join(2)

    def _run(self) -> None:
        while not self._ending.is_set():
            self._look()
            for path, file in list(self._files.items()):
                self._read(path, file)
            self._metrics.set(f"{self._prefix}_files_active_total", len(self._files))
            time.sleep(POLL_S)

    def _look(self) -> None:
        for labels in self._patterns:
            excluded = set(glob.glob(labels.get("__path_exclude__", ""), recursive=True))
            for path in glob.glob(labels["__path__"], recursive=True):
                if path not in excluded and path not in self._files and os.path.isfile(path):
                    self._open(path, labels)

    def _open(self, path: str, labels: Mapping[str, str]) -> None:
        try:
            self._files[path] = _File(path, labels, int(self._positions.get(path) or 0))
            self._refused.discard(path)
            log("info", "tail routine: started", path=path)
        except OSError as error:
            if path not in self._refused:
                log("error", "failed to start tailer", error=error, filename=path)
            self._refused.add(path)

    def _read(self, path: str, file: _File) -> None:
        # Asked before reading: what was written until a rotation is then read first.
        gone = file.rotated()
        for line in file.lines():
            labels = {**file.labels, "filename": path}
            self._metrics.add(f"{self._prefix}_read_lines_total", path=path)
            self._then(Entry(labels, time.time_ns(), line))
        self._positions.put(path, str(file.place))
        if gone:
            file.close()
            del self._files[path]
            self._positions.put(path, "0")


class _File:
    def __init__(self, path: str, labels: Mapping[str, str], place: int) -> None:
        self._path, self.labels = path, labels
        self._stream: BinaryIO = open(path, "rb")  # noqa: SIM115 - stays open past a rotation
        self.place = place if place <= os.fstat(self._stream.fileno()).st_size else 0
        self._stream.seek(self.place)

    def lines(self) -> list[str]:
        """The whole lines since the last time; the rest waits for its end."""
        if os.fstat(self._stream.fileno()).st_size < self.place:
            # Truncated in its place.
            self.place = 0
        self._stream.seek(self.place)
        content = self._stream.read(1 << 20)
        whole = content[: content.rfind(b"\n") + 1]
        self.place += len(whole)
        return [line.decode(errors="replace").rstrip("\r") for line in whole.split(b"\n")[:-1]]

    def rotated(self) -> bool:
        """Whether its name belongs to another file now, or to none, and all of it was read."""
        ours = os.fstat(self._stream.fileno())
        if ours.st_size - self.place > 1 << 20:
            return False
        try:
            named = os.stat(self._path)
        except OSError:
            return True
        return (named.st_dev, named.st_ino) != (ours.st_dev, ours.st_ino)

    def close(self) -> None:
        self._stream.close()
