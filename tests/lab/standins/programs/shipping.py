"""Sends lines to Loki: in batches, as JSON (the real ones send protobuf), and again if need be."""

from __future__ import annotations

import base64
import http.client
import itertools
import json
import queue
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .durations import seconds
from .pipeline import Entry
from .relabel import public
from .web import Metrics, log

# More than this waits in the files where it came from.
WAITING_LINES = 1_000


class Client:
    """One Loki to send to.

    Args:
        settings: A `clients` entry of Promtail's configuration.
        metrics: Where to count.
        prefix: How the names of the metrics begin.
    """

    def __init__(self, settings: Mapping[str, Any], metrics: Metrics, prefix: str) -> None:
        self._settings = settings
        self._metrics, self._prefix = metrics, prefix
        self._host = str(settings["url"]).split("/")[2].rpartition("@")[2]
        backoff = settings.get("backoff_config") or {}
        self._pause_s = seconds(str(backoff.get("min_period", "500ms")))
        self._longest_pause_s = seconds(str(backoff.get("max_period", "5m")))
        self._retries = int(backoff.get("max_retries", 10))
        self._batch_s = seconds(str(settings.get("batchwait", "1s")))
        self._batch_bytes = int(settings.get("batchsize", 1048576))
        self._waiting: queue.Queue[Entry] = queue.Queue(WAITING_LINES)
        self._ending = threading.Event()
        for name in ("sent_entries_total", "sent_bytes_total"):
            self._count(name, 0)
        self._count("dropped_entries_total", 0, reason="ingester_error")
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def send(self, entry: Entry) -> None:
        """Take a line; waits while too many wait already."""
        self._waiting.put(entry)

    def end(self, limit_s: float = 5) -> None:
        """Send what is left, and stop; what cannot be sent by then is lost."""
        self._ending.set()
        self._thread.join(limit_s)

    def _run(self) -> None:
        while not (self._ending.is_set() and self._waiting.empty()):
            if batch := self._batch():
                self._deliver(batch)

    def _batch(self) -> list[Entry]:
        batch: list[Entry] = []
        size, deadline = 0, time.monotonic() + self._batch_s
        while size < self._batch_bytes and (left := deadline - time.monotonic()) > 0:
            if self._ending.is_set() and self._waiting.empty():
                break
            try:
                entry = self._waiting.get(timeout=min(left, 0.2))
            except queue.Empty:
                continue
            batch.append(entry)
            size += len(entry.line)
        return batch

    def _deliver(self, batch: list[Entry]) -> None:
        body, pause_s = self._body(batch), self._pause_s
        for _ in range(self._retries) if self._retries else itertools.count():
            status, words = self._post(body)
            if 200 <= status < 300:
                self._count("sent_entries_total", len(batch))
                self._count("sent_bytes_total", len(body))
                return
            if 400 <= status < 500 and status != 429:
                break
            log("warn", "error sending batch, will retry", status=status, error=words)
            if self._ending.wait(pause_s) and pause_s > self._pause_s:
                break
            pause_s = min(2 * pause_s, self._longest_pause_s)
        log("error", "final error sending batch, dropping data", status=status, error=words)
        self._count("dropped_entries_total", len(batch), reason="ingester_error")

    def _body(self, batch: list[Entry]) -> bytes:
        streams: dict[tuple[tuple[str, str], ...], list[list[str]]] = {}
        for entry in batch:
            labels = {**public(entry.labels), **(self._settings.get("external_labels") or {})}
            key = tuple(sorted(labels.items()))
            streams.setdefault(key, []).append([str(entry.time_ns), entry.line])
        content = [{"stream": dict(key), "values": values} for key, values in streams.items()]
        return json.dumps({"streams": content}).encode()

    def _post(self, body: bytes) -> tuple[int, str]:
        """Status and first words; status 0 where there was no answer."""
        request = urllib.request.Request(str(self._settings["url"]), body, method="POST")
        request.add_header("Content-Type", "application/json")
        try:
            for name, value in self._headers().items():
                request.add_header(name, value)
            timeout_s = seconds(str(self._settings.get("timeout", "10s")))
            with self._opener().open(request, timeout=timeout_s) as answer:
                return answer.status, ""
        except urllib.error.HTTPError as error:
            return error.code, error.read(200).decode(errors="replace").strip()
        except (OSError, ValueError) as error:
            return 0, str(error)

    def _headers(self) -> dict[str, str]:
        headers = dict(self._settings.get("headers") or {})
        if tenant := self._settings.get("tenant_id"):
            headers["X-Scope-OrgID"] = str(tenant)
        # Read each time: a password may change while this runs.
        if auth := self._settings.get("basic_auth"):
            password = auth.get("password", "")
            if file := auth.get("password_file"):
                password = Path(file).read_text().strip()
            pair = f"{auth.get('username', '')}:{password}".encode()
            headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
        if token := self._settings.get("bearer_token_file"):
            headers["Authorization"] = f"Bearer {Path(token).read_text().strip()}"
        return headers

    def _opener(self) -> urllib.request.OpenerDirector:
        no_proxy = urllib.request.ProxyHandler({})
        if str(self._settings["url"]).startswith("http:"):
            return urllib.request.build_opener(no_proxy)
        tls = self._settings.get("tls_config") or {}
        context = ssl.create_default_context(cafile=tls.get("ca_file"))
        if tls.get("insecure_skip_verify"):
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if tls.get("cert_file"):
            context.load_cert_chain(tls["cert_file"], tls.get("key_file"))
        name = tls.get("server_name")
        return urllib.request.build_opener(no_proxy, _Https(context, name))

    def _count(self, name: str, amount: float, **labels: str) -> None:
        self._metrics.add(f"{self._prefix}_{name}", amount, host=self._host, **labels)


class _Https(urllib.request.HTTPSHandler):
    """Asks for the certificate of ``name``, whatever the URL calls the host."""

    def __init__(self, context: ssl.SSLContext, name: str | None) -> None:
        super().__init__(context=context)
        self._tls, self._name = context, name

    def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        def connection(host: str, **options: Any) -> http.client.HTTPSConnection:
            return _Connection(host, self._tls, self._name, **options)

        return self.do_open(connection, request)


class _Connection(http.client.HTTPSConnection):
    def __init__(
        self, host: str, context: ssl.SSLContext, name: str | None, **options: Any
    ) -> None:
        super().__init__(host, context=context, **options)
        self._tls, self._name = context, name

    def connect(self) -> None:
        http.client.HTTPConnection.connect(self)
        self.sock = self._tls.wrap_socket(self.sock, server_hostname=self._name or self.host)
