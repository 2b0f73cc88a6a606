"""The shipper's metrics page, as far as it tells what waits to be sent."""

from __future__ import annotations

import http.client
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

TIMEOUT_S = 5
_LINE = re.compile(r"^([A-Za-z_:][\w:]*)(?:\{(.*)\})? ([^ ]+)")
# Alloy has it by two names.
_STARTED = re.compile(r"^(?:alloy_resources_)?process_start_time_seconds ([^ ]+)")
_LABEL = re.compile(r'([A-Za-z_]\w*)="((?:[^"\\]|\\.)*)"')
# Reasons for which a batch is given up after it was encoded; other reasons come before that.
_AFTER_ENCODING = ("ingester_error", "rate_limited")


class Unreadable(Exception):
    """The page does not answer, or lacks what tells how much waits."""


@dataclass(frozen=True)
class Queue:
    """State of the queue to one Loki.

    ``waiting``: batches, or bytes in versions that count no batches, that were encoded and are
    neither delivered nor given up. ``done``: batches that were.
    """

    waiting: float
    done: float


@dataclass(frozen=True)
class Page:
    """Metrics of a moment. ``started``: which process they are of."""

    started: float
    queues: Mapping[str, Queue]

    @property
    def is_idle(self) -> bool:
        """Whether no batch is being sent to any Loki."""
        return all(queue.waiting == 0 for queue in self.queues.values())

    def follows(self, earlier: Page) -> bool:
        """Whether the same process showed ``earlier`` before."""
        return (
            self.started == earlier.started
            and self.queues.keys() == earlier.queues.keys()
            and all(self.queues[host].done >= queue.done for host, queue in earlier.queues.items())
        )

    def done_since(self, earlier: Page) -> float:
        """Batches that were done since, to the Loki that took the fewest."""
        return min(self.queues[host].done - queue.done for host, queue in earlier.queues.items())


def fetch(url: str, prefix: str, hosts: int) -> Page:
    """Ask the shipper for its page; raises `Unreadable`. ``hosts``: how many Lokis it sends to."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", parts.path)
        answer = connection.getresponse()
        text = answer.read().decode(errors="replace")
        if answer.status != 200:
            raise Unreadable(f"{url} answers {answer.status}")
    except (OSError, http.client.HTTPException) as error:
        raise Unreadable(f"{url} does not answer: {error}") from error
    finally:
        connection.close()
    return read(text, prefix, hosts)


def read(text: str, prefix: str, hosts: int) -> Page:
    """Read a page; raises `Unreadable` if it lacks a metric, or a host among ``hosts``."""
    sums: dict[str, dict[str, float]] = {}
    started = None
    for line in text.splitlines():
        if started_at := _STARTED.match(line):
            started = float(started_at[1])
        if not line.startswith(prefix) or not (found := _LINE.match(line)):
            continue
        name, labels, value = found[1].removeprefix(prefix), _labels(found[2]), float(found[3])
        if name == "dropped_bytes_total" and labels.get("reason", "") not in ("", *_AFTER_ENCODING):
            continue
        of_host = sums.setdefault(name, {})
        host = labels.get("host", "")
        of_host[host] = of_host.get(host, 0) + value
    if started is None:
        raise Unreadable("the page does not tell when the process started")
    queues = {host: _queue(sums, host) for host in sums.get("sent_bytes_total", {})}
    if len(queues) < hosts:
        raise Unreadable(f"the page has {prefix}sent_bytes_total of {len(queues)} of {hosts} hosts")
    return Page(started, queues)


def _queue(sums: Mapping[str, Mapping[str, float]], host: str) -> Queue:
    def value(name: str) -> float:
        return sums.get(name, {}).get(host, 0)

    # Every attempt is a request; those that are to be made again are counted as retries.
    done = value("request_duration_seconds_count") - value("batch_retries_total")
    if host in sums.get("request_size_bytes_count", {}):
        # Counts what is encoded in newer versions of Alloy, also the halves of a batch that Loki
        # found too large.
        return Queue(value("request_size_bytes_count") - done, done)
    if host not in sums.get("encoded_bytes_total", {}):
        if value("sent_bytes_total") == value("request_duration_seconds_count") == 0:
            return Queue(0, 0)
        raise Unreadable("the page does not tell what was encoded")
    finished = value("sent_bytes_total") + value("dropped_bytes_total")
    return Queue(value("encoded_bytes_total") - finished, done)


def _labels(text: str | None) -> dict[str, str]:
    return dict(_LABEL.findall(text or ""))
