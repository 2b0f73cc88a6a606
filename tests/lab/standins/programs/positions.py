"""How far every file and journal was read, kept in Promtail's own kind of file."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from pathlib import Path

import yaml

from .web import log


class Positions:
    """What was read, by path or by `cursor-<job>`.

    Args:
        file: Where it is kept, as YAML.
        every_s: How often it is written, in seconds.
        with_labels: Write the labels beside each path, as Alloy does.
    """

    def __init__(self, file: Path, every_s: float, *, with_labels: bool = False) -> None:
        self._file = file
        self._with_labels = with_labels
        self._known: dict[str, str] = {}
        self._lock = threading.Lock()
        self._written: dict[str, str] = {}
        with suppress(FileNotFoundError):
            self._known = _read(file.read_text())
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
            half.write_text(_text(known) if self._with_labels else _plain_text(known))
            half.chmod(0o600)
            half.replace(self._file)
            self._written = known
        except OSError as error:
            log("error", "error writing positions file", error=error)

    def _keep(self, every_s: float) -> None:
        while True:
            time.sleep(every_s)
            self.save()


def _read(text: str) -> dict[str, str]:
    if "? path: " not in text:
        return {
            str(path): str(place)
            for path, place in ((yaml.safe_load(text) or {}).get("positions") or {}).items()
        }
    known, path = {}, ""
    for line in text.splitlines():
        if line.startswith("  ? path: "):
            path = str(yaml.safe_load(line.removeprefix("  ? path: ")))
        elif line.startswith("  : "):
            known[path] = str(yaml.safe_load(line.removeprefix("  : ")))
    return known


def _text(known: dict[str, str]) -> str:
    """A mapping whose keys are mappings, as Go's encoder writes it."""
    entries = (
        f"  ? path: {path}\n    labels: {_labels(path)}\n  : {_scalar(place)}\n"
        for path, place in sorted(known.items())
    )
    return "positions:\n" + "".join(entries) if known else "positions: {}\n"


def _plain_text(known: dict[str, str]) -> str:
    entries = (f"  {path}: {_scalar(place)}\n" for path, place in sorted(known.items()))
    return "positions:\n" + "".join(entries) if known else "positions: {}\n"


def _labels(path: str) -> str:
    return "'{job=\"any\"}'" if path.startswith("/") else '""'


def _scalar(place: str) -> str:
    return f'"{place}"' if place.isdigit() else place
