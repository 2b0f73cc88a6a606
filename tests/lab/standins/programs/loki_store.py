"""The lines that the stand-in for Loki keeps: in memory to be asked, on disk to outlive it."""

from __future__ import annotations

import json
import threading
from bisect import insort
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from .logql import Labels, LogQuery

# Where the real one would take the label `service_name` from.
_SERVICE_LABELS = (
    *("service", "app", "application", "name", "app_kubernetes_io_name", "container"),
    *("container_name", "k8s_container_name", "component", "workload", "job", "k8s_job_name"),
)
Line = tuple[int, str]
# The label by which a query of several tenants tells them apart.
TENANT = "__tenant_id__"


class Store:
    """One tenant's lines, each with its time in nanoseconds since 1970.

    Args:
        file: JSON lines; read now, and added to with every line.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._streams: dict[Labels, list[Line]] = {}
        self._lock = threading.Lock()
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.exists():
            for labels, time_ns, line in map(json.loads, file.read_text().splitlines()):
                self._insert(tuple(map(tuple, labels)), (time_ns, line))

    def push(self, stream: dict[str, str], lines: list[Line]) -> int:
        """Keep lines of one stream; how many were new: the same line of the same time is not."""
        labels = tuple(sorted(with_service_name(stream).items()))
        with self._lock, self._file.open("a") as file:
            new = [line for line in lines if self._insert(labels, line)]
            for time_ns, text in new:
                file.write(json.dumps([labels, time_ns, text]) + "\n")
        return len(new)

    def drop_before(self, time_ns: int) -> int:
        """Forget older lines; how many there were."""
        with self._lock:
            before = self._count()
            for labels, lines in list(self._streams.items()):
                self._streams[labels] = [line for line in lines if line[0] >= time_ns]
                if not self._streams[labels]:
                    del self._streams[labels]
            dropped = before - self._count()
            if dropped:
                self._write()
        return dropped

    def find(self, query: LogQuery, start_ns: int, end_ns: int) -> Iterator[tuple[Labels, Line]]:
        """The lines of `start_ns <= time < end_ns`, oldest first within their stream."""
        with self._lock:
            streams = [(labels, list(lines)) for labels, lines in self._streams.items()]
        for labels, lines in streams:
            if query.selects(dict(labels)):
                for line in lines:
                    if start_ns <= line[0] < end_ns and query.keeps(line[1]):
                        yield labels, line

    def streams(self) -> list[dict[str, str]]:
        """The labels of every stream."""
        with self._lock:
            return [dict(labels) for labels in self._streams]

    def _insert(self, labels: Labels, line: Line) -> bool:
        lines = self._streams.setdefault(labels, [])
        if not lines or lines[-1] < line:
            lines.append(line)
            return True
        if line in lines:
            return False
        insort(lines, line)
        return True

    def _count(self) -> int:
        return sum(map(len, self._streams.values()))

    def _write(self) -> None:
        half = self._file.with_suffix(".half")
        with half.open("w") as file:
            for labels, lines in self._streams.items():
                for time_ns, text in lines:
                    file.write(json.dumps([labels, time_ns, text]) + "\n")
        half.replace(self._file)


class Together:
    """Lines of several tenants, each with its tenant's name among the labels."""

    def __init__(self, stores: dict[str, Store]) -> None:
        self._stores = stores

    def find(self, query: LogQuery, start_ns: int, end_ns: int) -> Iterator[tuple[Labels, Line]]:
        """Lines as of `Store.find`; a query may match the tenant's name as a label."""
        asked = [each for each in query.matchers if each.name == TENANT]
        left = tuple(each for each in query.matchers if each.name != TENANT)
        for name, store in self._stores.items():
            if all(each.matches({TENANT: name}) for each in asked):
                for labels, line in store.find(replace(query, matchers=left), start_ns, end_ns):
                    yield tuple(sorted({**dict(labels), TENANT: name}.items())), line

    def streams(self) -> list[dict[str, str]]:
        """The labels of every stream."""
        return [
            {**labels, TENANT: name}
            for name, store in self._stores.items()
            for labels in store.streams()
        ]


Asked = Store | Together


def with_service_name(labels: dict[str, str]) -> dict[str, str]:
    """Loki gives every stream this label, which Grafana's own pages rely on."""
    if "service_name" in labels:
        return labels
    found = (labels[name] for name in _SERVICE_LABELS if name in labels)
    return {**labels, "service_name": next(found, "unknown_service")}
