"""How far every file and journal was read, kept in Promtail's own kind of file."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from pathlib import Path

import yaml

from .web import log


class Positions:
    """What was read, by path or by `journal-<job>`.

    Args:
        file: Where it is kept, as YAML.
        every_s: How often it is written, in seconds.
    """

    def __init__(self, file: Path, every_s: float) -> None:
        self._file = file
        self._known: dict[str, str] = {}
        self._lock = threading.Lock()
        self._written: dict[str, str] = {}
        with suppress(FileNotFoundError):
            self._known = dict((yaml.safe_load(file.read_text()) or {}).get("positions") or {})
        threading.Thread(target=self._keep, args=(every_s,), daemon=True).start()

    def get(self, name: str) -> str:
        """Where to go on; empty where nothing was read."""
        with self._lock:
            return str(self._known.get(name, ""))

    def put(self, name: str, place: str) -> None:
        """Say how far it was read."""
        with self._lock:
            self._known[name] = place

    def save(self) -> None:
        """Write the file if anything changed."""
        with self._lock:
            known = dict(self._known)
        if known == self._written:
            return
        try:
            half = self._file.with_name(f"{self._file.name}.half")
            half.write_text(yaml.safe_dump({"positions": known}))
            half.chmod(0o600)
            half.replace(self._file)
            self._written = known
        except OSError as error:
            log("error", "error writing positions file", error=error)

    def _keep(self, every_s: float) -> None:
        while True:
            time.sleep(every_s)
            self.save()
