"""A small web server, the metrics that it shows, and log lines in logfmt."""

from __future__ import annotations

import gzip
import json
import sys
import threading
import time
from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

TEXT, JSON, HTML = "text/plain; charset=utf-8", "application/json", "text/html; charset=utf-8"


def log(level: str, message: str, **fields: object) -> None:
    """Write one line to standard error, from where systemd takes it."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    extra = "".join(f" {name}={_quoted(str(value))}" for name, value in fields.items())
    print(f"ts={now} level={level} msg={_quoted(message)}{extra}", file=sys.stderr, flush=True)


def _quoted(text: str) -> str:
    return text if text and not set(text) & set(' "=\n') else json.dumps(text, ensure_ascii=False)


class Metrics:
    """Counters and gauges by name and labels, shown in Prometheus' text format."""

    def __init__(self) -> None:
        self._values: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
        self._kinds: dict[str, str] = {}
        self._lock = threading.Lock()
        self.set("process_start_time_seconds", time.time())

    def add(self, name: str, amount: float = 1, /, **labels: str) -> None:
        """Count up; an amount of 0 makes the counter appear."""
        with self._lock:
            self._kinds.setdefault(name, "counter")
            series = self._values.setdefault(name, {})
            key = tuple(sorted(labels.items()))
            series[key] = series.get(key, 0) + amount

    def set(self, name: str, value: float, /, **labels: str) -> None:
        """Say what something is now."""
        with self._lock:
            self._kinds[name] = "gauge"
            self._values.setdefault(name, {})[tuple(sorted(labels.items()))] = value

    def text(self) -> str:
        """What a scrape gets."""
        lines: list[str] = []
        with self._lock:
            for name, series in sorted(self._values.items()):
                lines.append(f"# TYPE {name} {self._kinds[name]}")
                for labels, value in sorted(series.items()):
                    inside = ",".join(f"{key}={json.dumps(each)}" for key, each in labels)
                    lines.append(
                        f"{name}{{{inside}}} {value:.15g}" if inside else f"{name} {value:.15g}"
                    )
        return "".join(f"{line}\n" for line in lines)


@dataclass(frozen=True)
class Request:
    """What a client asks."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes

    def parameter(self, name: str, default: str = "") -> str:
        """The first value of a parameter of the URL or of a form."""
        return self.query.get(name, [default])[0]

    def basic_auth(self) -> tuple[str, str] | None:
        """User and password, if it has any that can be read."""
        kind, _, encoded = self.headers.get("authorization", "").partition(" ")
        if kind.lower() != "basic":
            return None
        try:
            user, _, password = b64decode(encoded).decode().partition(":")
        except ValueError:
            return None
        return user, password


@dataclass(frozen=True)
class Answer:
    """What it gets."""

    status: int
    body: str = ""
    kind: str = TEXT
    headers: tuple[tuple[str, str], ...] = ()

    @classmethod
    def json(cls, content: Any, status: int = 200) -> Answer:
        """An answer for programs."""
        return cls(status, json.dumps(content), JSON)


def serve(address: str, port: int, answer: Callable[[Request], Answer]) -> ThreadingHTTPServer:
    """Listen, and answer in the background; raises `OSError` where that cannot be."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        server_version = "stand-in"
        sys_version = ""

        def _handle(self) -> None:
            request = _request(self)
            try:
                given = answer(request)
            except Exception as error:
                log("error", "request failed", path=request.path, err=repr(error))
                given = Answer(500, f"{error}\n")
            body = given.body.encode()
            self.send_response(given.status)
            self.send_header("Content-Type", given.kind)
            self.send_header("Content-Length", str(len(body) if given.status != 204 else 0))
            for name, value in given.headers:
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD" and given.status != 204:
                self.wfile.write(body)

        do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _handle

        def log_message(self, format: str, *args: object) -> None:
            """Requests are no news."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

    server = Server((address, port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def _request(handler: BaseHTTPRequestHandler) -> Request:
    parts = urlsplit(handler.path)
    headers = {name.lower(): value for name, value in handler.headers.items()}
    body = handler.rfile.read(int(headers.get("content-length") or 0))
    if headers.get("content-encoding") == "gzip":
        body = gzip.decompress(body)
    query = parse_qs(parts.query, keep_blank_values=True)
    if headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        query.update(parse_qs(body.decode(), keep_blank_values=True))
    return Request(handler.command, unquote(parts.path), query, headers, body)
