"""Sends lines to Loki: in batches, as JSON (the real ones send protobuf), and again if need be."""

from __future__ import annotations

import base64
import http.client
import itertools
import json
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

# Alloy gathers a batch while others wait and one is being sent; Promtail reads on when one is sent.
ALLOY_QUEUE_BYTES = 10 << 20
ALLOY_DRAIN_S = 15.0


class Client:
    """One Loki to send to.

    What was taken and not sent is lost when the process ends, as with the real ones.

    Args:
        settings: A `clients` entry of Promtail's configuration.
        metrics: Where to count.
        prefix: How the names of the metrics begin; `loki_write` for Alloy.
        counts_requests: Count requests and not bytes when a batch is encoded, as later versions do.
    """

    def __init__(
        self,
        settings: Mapping[str, Any],
        metrics: Metrics,
        prefix: str,
        *,
        counts_requests: bool = False,
    ) -> None:
        self._settings = settings
        self._metrics, self._prefix = metrics, prefix
        self._is_alloy = prefix == "loki_write"
        self._counts_requests = counts_requests
        self._host = str(settings["url"]).split("/")[2].rpartition("@")[2]
        backoff = settings.get("backoff_config") or {}
        self._pause_s = seconds(str(backoff.get("min_period", "500ms")))
        self._longest_pause_s = seconds(str(backoff.get("max_period", "5m")))
        self._retries = int(backoff.get("max_retries", 10))
        self._batch_s = seconds(str(settings.get("batchwait", "1s")))
        self._batch_bytes = int(settings.get("batchsize", 1048576))
        self._waiting: list[Entry] = []
        self._waiting_bytes = 0
        self._oldest = 0.0
        self._is_sending = False
        self._changed = threading.Condition()
        self._ending, self._given_up = threading.Event(), threading.Event()
        self._show_counters()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def send(self, entry: Entry) -> None:
        """Take a line; waits while there is no room for it."""
        with self._changed:
            self._changed.wait_for(lambda: self._has_room(entry))
            if not self._waiting:
                self._oldest = time.monotonic()
            self._waiting.append(entry)
            self._waiting_bytes += len(entry.line.encode())
            self._changed.notify_all()

    def end(self, limit_s: float | None = None) -> None:
        """Send what is left, and stop; Alloy gives up after a while, Promtail never does."""
        if limit_s is None and self._is_alloy:
            limit_s = ALLOY_DRAIN_S
        self._ending.set()
        with self._changed:
            self._changed.notify_all()
        self._thread.join(limit_s)
        if self._thread.is_alive():
            self._given_up.set()
            log("warn", "failed to flush all queues during shutdown")
            self._thread.join(5)

    def _has_room(self, entry: Entry) -> bool:
        if not self._is_alloy:
            return not self._is_sending
        size = len(entry.line.encode())
        return not self._waiting or self._waiting_bytes + size <= ALLOY_QUEUE_BYTES

    def _run(self) -> None:
        while not self._given_up.is_set():
            batch = self._batch()
            if batch is None:
                return
            if batch:
                self._deliver(batch)
            with self._changed:
                self._is_sending = False
                self._changed.notify_all()

    def _batch(self) -> list[Entry] | None:
        """Take the next batch, once it is large or old enough; None at the end."""
        with self._changed:
            while not (self._ending.is_set() or self._is_ripe()):
                self._changed.wait(0.1)
            if not self._waiting:
                return None
            size = count = 0
            for entry in self._waiting:
                size += len(entry.line.encode())
                if count and size > self._batch_bytes:
                    break
                count += 1
            batch, self._waiting = self._waiting[:count], self._waiting[count:]
            self._waiting_bytes = sum(len(entry.line.encode()) for entry in self._waiting)
            self._is_sending = True
            self._changed.notify_all()
            return batch

    def _is_ripe(self) -> bool:
        if not self._waiting:
            return False
        is_old = time.monotonic() - self._oldest >= self._batch_s
        return is_old or self._waiting_bytes >= self._batch_bytes

    def _deliver(self, batch: list[Entry]) -> None:
        body, pause_s = self._body(batch), self._pause_s
        if self._counts_requests:
            self._count("request_size_bytes_count", 1, **self._tenant())
            self._count("request_size_bytes_sum", len(body), **self._tenant())
        else:
            self._count("encoded_bytes_total", len(body), **self._tenant())
        for attempt in itertools.count(1):
            status, words = self._post(body)
            code = {"status_code": str(status or -1), **self._tenant()}
            self._count("request_duration_seconds_count", 1, **code)
            if 200 <= status < 300:
                self._count("sent_entries_total", len(batch), **self._tenant())
                self._count("sent_bytes_total", len(body), **self._tenant())
                return
            if 400 <= status < 500 and status != 429:
                break
            log("warn", "error sending batch, will retry", status=status, error=words)
            self._count("batch_retries_total", 1, tenant="")
            if self._given_up.wait(pause_s) or attempt == self._retries:
                break
            pause_s = min(2 * pause_s, self._longest_pause_s)
        log("error", "final error sending batch, dropping data", status=status, error=words)
        reason = "rate_limited" if status == 429 else "ingester_error"
        self._count("dropped_entries_total", len(batch), tenant="", reason=reason)
        self._count("dropped_bytes_total", len(body), tenant="", reason=reason)

    def _show_counters(self) -> None:
        for name in ("sent_entries_total", "sent_bytes_total"):
            self._count(name, 0, **self._tenant())
        if not self._counts_requests:
            self._count("encoded_bytes_total", 0, **self._tenant())
        self._count("batch_retries_total", 0, tenant="")
        for name in ("dropped_entries_total", "dropped_bytes_total"):
            self._count(name, 0, tenant="", reason="ingester_error")

    def _tenant(self) -> dict[str, str]:
        """Alloy has the label on all of its counters, Promtail on some."""
        return {"tenant": ""} if self._is_alloy else {}

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
