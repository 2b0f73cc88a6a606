"""The stages that a line goes through between its file and Loki."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from .durations import seconds
from .promtail_config import DONE_STAGES, go_groups
from .web import log


@dataclass(frozen=True)
class Entry:
    """One line on its way: its labels, its time in nanoseconds since 1970, and what was found."""

    labels: Mapping[str, str]
    time_ns: int
    line: str
    extracted: Mapping[str, str] = field(default_factory=dict)


Receiver = Callable[[Entry], None]


def pipeline(stages: Sequence[Mapping[str, Any]], then: Receiver) -> Receiver:
    """A receiver that sends every line through the stages, and what is left of it on to `then`."""
    for stage in reversed(stages):
        [(name, options)] = stage.items()
        if name not in DONE_STAGES:
            log("warn", "the stand-in ignores this pipeline stage", stage=name)
        elif name == "multiline":
            then = Multiline(options, then)
        else:
            then = _Stage(name, options or {}, then)
    return then


class _Stage:
    """A stage that looks at one line at a time."""

    def __init__(self, name: str, options: Any, then: Receiver) -> None:
        self._work = getattr(self, f"_{name}")
        self._options = options
        self._then = then

    def __call__(self, entry: Entry) -> None:
        if (changed := self._work(entry)) is not None:
            self._then(changed)

    def _source(self, entry: Entry) -> str:
        source = self._options.get("source")
        return entry.extracted.get(source, "") if source else entry.line

    def _regex(self, entry: Entry) -> Entry:
        found = re.search(go_groups(self._options["expression"]), self._source(entry))
        groups = {name: value or "" for name, value in found.groupdict().items()} if found else {}
        return replace(entry, extracted={**entry.extracted, **groups})

    def _labels(self, entry: Entry) -> Entry:
        known = {**entry.labels, **entry.extracted}
        given = {
            name: known[source or name]
            for name, source in self._options.items()
            if (source or name) in known
        }
        return replace(entry, labels={**entry.labels, **given})

    def _static_labels(self, entry: Entry) -> Entry:
        return replace(entry, labels={**entry.labels, **self._options})

    def _labeldrop(self, entry: Entry) -> Entry:
        left = {name: value for name, value in entry.labels.items() if name not in self._options}
        return replace(entry, labels=left)

    def _output(self, entry: Entry) -> Entry:
        return replace(entry, line=entry.extracted.get(self._options["source"], entry.line))

    def _replace(self, entry: Entry) -> Entry:
        def without(found: re.Match[str]) -> str:
            text = found[0]
            for group in found.groups():
                text = text.replace(group, self._options.get("replace", "")) if group else text
            return text

        changed = re.sub(go_groups(self._options["expression"]), without, self._source(entry))
        if source := self._options.get("source"):
            return replace(entry, extracted={**entry.extracted, source: changed})
        return replace(entry, line=changed)

    def _drop(self, entry: Entry) -> Entry | None:
        expression = self._options.get("expression")
        if expression and re.search(go_groups(expression), self._source(entry)):
            return None
        return entry

    def _timestamp(self, entry: Entry) -> Entry:
        text = entry.extracted.get(self._options.get("source", ""), "")
        time_ns = _time_ns(text, str(self._options.get("format", "")))
        return replace(entry, time_ns=time_ns) if time_ns else entry


class Multiline:
    """Puts the lines of one message together: a new one begins where `firstline` matches.

    The last message of a stream is sent on when nothing was added to it for `max_wait_time`.
    """

    def __init__(self, options: Mapping[str, Any], then: Receiver) -> None:
        self._first = re.compile(go_groups(options["firstline"]))
        self._wait_s = seconds(str(options.get("max_wait_time", "3s")))
        self._limit = int(options.get("max_lines", 128))
        self._then = then
        self._open: dict[tuple[tuple[str, str], ...], tuple[Entry, int, float]] = {}
        self._lock = threading.Lock()
        threading.Thread(target=self._flush_late, daemon=True).start()

    def __call__(self, entry: Entry) -> None:
        key = tuple(sorted(entry.labels.items()))
        with self._lock:
            begun, count, _ = self._open.pop(key, (None, 0, 0.0))
            if begun and not self._first.search(entry.line) and count < self._limit:
                entry = replace(begun, line=f"{begun.line}\n{entry.line}")
            elif begun:
                self._then(begun)
                count = 0
            self._open[key] = (entry, count + 1, time.monotonic())

    def flush(self, older_than_s: float = 0) -> None:
        """Send on what nothing was added to for so long."""
        with self._lock:
            for key, (entry, _, since) in list(self._open.items()):
                if time.monotonic() - since >= older_than_s:
                    del self._open[key]
                    self._then(entry)

    def _flush_late(self) -> None:
        while True:
            time.sleep(min(self._wait_s, 1) or 0.1)
            self.flush(self._wait_s)


def _time_ns(text: str, form: str) -> int | None:
    scale = {"Unix": 1_000_000_000, "UnixMs": 1_000_000, "UnixUs": 1_000, "UnixNs": 1}
    try:
        if form in scale:
            return int(float(text) * scale[form])
        # Other layouts of Go's are not understood: the line keeps the time when it was read.
        if form in ("RFC3339", "RFC3339Nano"):
            return int(datetime.fromisoformat(text).timestamp() * 1_000_000_000)
    except ValueError:
        pass
    return None
