"""Reads systemd's journal through journalctl."""

from __future__ import annotations

import json
import re
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

from .durations import seconds
from .pipeline import Entry, Receiver
from .positions import Positions
from .relabel import relabel
from .web import Metrics, log

_PRIORITIES = ("emerg", "alert", "crit", "error", "warning", "notice", "info", "debug")


class Journal:
    """The journal's entries, from where it was left or from `max_age` ago.

    Args:
        job: Its name among the positions.
        settings: A `journal` block of Promtail's configuration.
        rules: Relabelling; only what it makes of the journal's own fields becomes a label.
        then: Takes every entry.
        positions: Where to begin, and to say how far one is.
        metrics: Where to count.
        prefix: How the names of the metrics begin.
    """

    def __init__(
        self,
        job: str,
        settings: Mapping[str, Any],
        rules: Sequence[Mapping[str, Any]],
        then: Receiver,
        positions: Positions,
        metrics: Metrics,
        prefix: str,
    ) -> None:
        self._name = f"cursor-{job}"
        self._labels = dict(settings.get("labels") or {})
        self._settings, self._rules, self._then = settings, rules, then
        self._positions, self._metrics, self._prefix = positions, metrics, prefix
        self._ending = False
        self._child: subprocess.Popen[str] | None = None
        threading.Thread(target=self._run, daemon=True).start()

    def end(self) -> None:
        """Read no more."""
        self._ending = True
        if self._child:
            self._child.terminate()

    def _run(self) -> None:
        # journalctl follows the entries of this boot alone; those of earlier ones are read first.
        follows = False
        while not self._ending:
            with subprocess.Popen(
                self._command(follows), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            ) as self._child:
                assert self._child.stdout and self._child.stderr
                for line in self._child.stdout:
                    self._take(json.loads(line))
                words = self._child.stderr.read().strip()
            if not self._ending and (follows or words):
                log("error", "journalctl ended", job=self._name, error=words)
                time.sleep(1)
            follows = True

    def _command(self, follows: bool) -> list[str]:
        command = ["journalctl", "--quiet", "--output=json"]
        if follows:
            command += ["--follow", "--no-tail"]
        if path := self._settings.get("path"):
            command.append(f"--directory={path}")
        oldest_s = time.time() - seconds(str(self._settings.get("max_age", "7h")))
        cursor = self._positions.get(self._name)
        if cursor and _time_s(cursor) >= oldest_s:
            command.append(f"--after-cursor={cursor}")
        else:
            # Also with a cursor, if its entry is older than that.
            command.append(f"--since=@{oldest_s:.0f}")
        return [*command, *str(self._settings.get("matches") or "").split()]

    def _take(self, fields: dict[str, Any]) -> None:
        texts = {name: _text(value) for name, value in fields.items()}
        labels = relabel({**self._labels, **_hidden(texts)}, self._rules)
        whole = bool(self._settings.get("json"))
        line = json.dumps(texts, sort_keys=True) if whole else texts.get("MESSAGE", "")
        if labels is not None:
            self._metrics.add(f"{self._prefix}_journal_target_lines_total")
            self._then(Entry(labels, int(texts["__REALTIME_TIMESTAMP"]) * 1000, line))
        self._positions.put(self._name, texts["__CURSOR"])


def _time_s(cursor: str) -> float:
    """When the entry of a cursor was logged, in seconds since 1970."""
    found = re.search(r"(?:^|;)t=([0-9a-f]+)", cursor)
    return int(found[1], 16) / 1e6 if found else 0


def _hidden(fields: Mapping[str, str]) -> dict[str, str]:
    labels = {f"__journal_{name.lower()}": value for name, value in fields.items()}
    priority = fields.get("PRIORITY", "")
    if priority.isdigit() and int(priority) < len(_PRIORITIES):
        labels["__journal_priority_keyword"] = _PRIORITIES[int(priority)]
    return labels


def _text(value: Any) -> str:
    # journalctl gives what is not UTF-8 as a list of bytes, and a repeated field as a list.
    if isinstance(value, list):
        if all(isinstance(each, int) for each in value):
            return bytes(value).decode(errors="replace")
        return _text(value[0])
    return "" if value is None else str(value)
