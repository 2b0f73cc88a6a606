"""A stand-in for Loki: takes lines, keeps them in files, and answers simple LogQL.

What it does not do: tailing, rules, and all of the query language that `logql` does not name.
"""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from . import flags, loki_config, package
from .durations import prometheus_seconds
from .logql import Constant, Labels, LogQLError, LogQuery, MetricQuery, parse
from .loki_config import block
from .loki_push import pushed
from .loki_store import TENANT, Asked, Line, Store, Together
from .strict import ConfigError, expand
from .web import JSON, Answer, Metrics, Request, log, serve

VERSION = package.version("3.7.6")
SECOND = 1_000_000_000
# The real one takes fifteen.
SECONDS_UNTIL_READY = 1.0
DEFAULT_LIMIT, DEFAULT_RANGE_S = 100, 3600
SWITCHES = ("version", "verify-config", "config.expand-env", "print-config-stderr")
VALUES = ("config.file", "target", "log.level", "server.http-listen-port")
FAMILIAR = "Use `-config.expand-env=true` flag if you want to expand environment variables"


def main(arguments: Sequence[str]) -> int:
    """Run until SIGTERM; exit code 1 for a configuration that is refused."""
    try:
        found, _ = flags.parse(arguments, SWITCHES, VALUES)
    except flags.FlagError as error:
        print(f"{error}\nRun 'loki -help' for a list of available parameters.", flush=True)
        return 2
    if flags.is_on(found, "version"):
        print(f"loki, version {VERSION} (a stand-in: not the real program)")
        return 0
    path = found.get("config.file", "config.yaml")
    try:
        text = Path(path).read_text()
        if flags.is_on(found, "config.expand-env"):
            text = expand(text, os.environ)
        config = loki_config.read(text)
    except (OSError, ConfigError) as error:
        return _refuse(path, str(error))
    if flags.is_on(found, "verify-config"):
        log("info", "config is valid")
        return 0
    return _run(config)


def _refuse(path: str, why: str) -> int:
    if why.startswith("CONFIG ERROR"):
        log("error", "validating config", err=why)
    else:
        print(f"failed parsing config: {path}: {why}. {FAMILIAR} in your config file", flush=True)
    return 1


def _run(config: dict[str, Any]) -> int:
    log("info", "Starting Loki", version=VERSION, note="stand-in: not the real program")
    server = block(config, "server")
    address, port = server.get("http_listen_address", ""), server.get("http_listen_port", 3100)
    try:
        loki = Loki(config)
        serve(address, port, loki.answer)
    except OSError as error:
        log("error", "error running loki", err=error)
        return 1
    log("info", "server listening on addresses", http=f"{address}:{port}")
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    while not ended.wait(loki_config.compaction_interval_s(config)):
        loki.drop_old()
    log("info", "Loki stopped")
    return 0


class Loki:
    """The lines, by tenant, and what is answered about them."""

    def __init__(self, config: dict[str, Any]) -> None:
        self._config = config
        self._folder = _chunks(config)
        self._started = time.monotonic()
        self._lock = threading.Lock()
        self._stores: dict[str, Store] = {}
        for file in self._folder.glob("*/lines.jsonl"):
            self._store(file.parent.name)
        self._folder.mkdir(parents=True, exist_ok=True)
        self.metrics = Metrics()
        self.metrics.set(
            "loki_build_info", 1, version=VERSION, branch="standin", revision="standin"
        )
        for name in ("lines", "bytes"):
            self.metrics.add(f"loki_distributor_{name}_received_total", 0, tenant="fake")

    def answer(self, request: Request) -> Answer:
        """What a client gets."""
        started = time.monotonic()
        given = self._route(request)
        labels = {"method": request.method, "route": request.path, "status_code": str(given.status)}
        self.metrics.add("loki_request_duration_seconds_count", 1, **labels)
        self.metrics.add("loki_request_duration_seconds_sum", time.monotonic() - started, **labels)
        return given

    def drop_old(self) -> None:
        """Forget what is past its retention, if the compactor is to."""
        if keep_s := loki_config.retention_s(self._config):
            for tenant, store in list(self._stores.items()):
                dropped = store.drop_before(time.time_ns() - int(keep_s * SECOND))
                log("info", "retention applied", tenant=tenant, lines=dropped)

    def _route(self, request: Request) -> Answer:
        if request.path == "/ready":
            return self._ready()
        if request.path == "/metrics":
            return Answer(200, self.metrics.text())
        if request.path == "/config":
            return Answer(200, yaml.safe_dump(loki_config.shown(self._config)))
        if request.path == "/loki/api/v1/status/buildinfo":
            return Answer.json({"version": VERSION, "branch": "standin", "revision": "standin"})
        if not request.path.startswith("/loki/api/v1/"):
            return Answer(404, "404 page not found\n")
        tenant = "fake"
        if self._config.get("auth_enabled", True):
            tenant = request.headers.get("x-scope-orgid", "")
            many = block(self._config, "querier").get("multi_tenant_queries_enabled", False)
            names = tenant.split("|") if many else [tenant]
            if not all(names) or any("/" in name or name.startswith(".") for name in names):
                return Answer(401, "no org id\n")
        try:
            return self._api(request.path.removeprefix("/loki/api/v1/"), request, tenant)
        except (LogQLError, ValueError, KeyError, TypeError) as error:
            return Answer(400, f"{error}\n")

    def _api(self, what: str, request: Request, tenant: str) -> Answer:
        if what == "push":
            if "|" in tenant:
                return Answer(400, "multiple org IDs present\n")
            return self._push(request, tenant)
        names = sorted(set(tenant.split("|")))
        stores = {name: self._store(name) for name in names}
        store: Asked = Together(stores) if len(names) > 1 else stores[names[0]]
        match what.split("/"):
            case ["query_range"]:
                return _data(self._query_range(request, store))
            case ["query"]:
                return _data(self._query(request, store))
            case ["labels"]:
                return _data(sorted({name for each in store.streams() for name in each}))
            case ["label", name, "values"]:
                return _data(sorted({each[name] for each in store.streams() if name in each}))
            case ["series"]:
                selectors = [parse(text) for text in request.query.get("match[]", [])]
                return _data([each for each in store.streams() if _selected(each, selectors)])
        return Answer(404, "404 page not found\n")

    def _ready(self) -> Answer:
        if time.monotonic() - self._started < SECONDS_UNTIL_READY:
            wait = f"{SECONDS_UNTIL_READY:g}s"
            return Answer(503, f"Ingester not ready: waiting for {wait} after being ready\n")
        return Answer(200, "ready\n")

    def _push(self, request: Request, tenant: str) -> Answer:
        refused: list[Line] = []
        streams = pushed(request.body, request.headers.get("content-type", ""))
        if not streams:
            return Answer(422, "error at least one valid stream is required for ingestion\n")
        for labels, lines in streams:
            if not labels:
                return Answer(400, "error at least one label pair is required per stream\n")
            taken = [line for line in lines if self._is_young(line[0])]
            refused += [line for line in lines if line not in taken]
            self._store(tenant).push(labels, taken)
            size = sum(len(text.encode()) for _, text in lines)
            self.metrics.add("loki_distributor_lines_received_total", len(lines), tenant=tenant)
            self.metrics.add("loki_distributor_bytes_received_total", size, tenant=tenant)
        if refused:
            oldest = min(refused)[0] // SECOND
            return Answer(400, f"entry has timestamp too old: {oldest} (seconds since 1970)\n")
        return Answer(204)

    def _is_young(self, time_ns: int) -> bool:
        limits = block(self._config, "limits_config")
        if not limits.get("reject_old_samples", True):
            return True
        age_s = prometheus_seconds(str(limits.get("reject_old_samples_max_age", "1w")))
        return time_ns >= time.time_ns() - age_s * SECOND

    def _query_range(self, request: Request, store: Asked) -> dict[str, Any]:
        query = parse(request.parameter("query"))
        end = _time_ns(request.parameter("end"), time.time_ns())
        start = _time_ns(request.parameter("start"), end - DEFAULT_RANGE_S * SECOND)
        if isinstance(query, LogQuery):
            limit = int(request.parameter("limit", str(DEFAULT_LIMIT)))
            forward = request.parameter("direction", "backward").lower() == "forward"
            return _streams(store, query, start, end, limit, forward)
        step_s = float(request.parameter("step") or max((end - start) // SECOND // 250, 1))
        series: dict[Labels, list[list[Any]]] = {}
        moment = start
        while moment <= end:
            for labels, value in _values(store, query, moment).items():
                series.setdefault(labels, []).append([moment // SECOND, value])
            moment += int(step_s * SECOND)
        result = [{"metric": dict(labels), "values": each} for labels, each in series.items()]
        return {"resultType": "matrix", "result": result, "stats": {}}

    def _query(self, request: Request, store: Asked) -> dict[str, Any]:
        query = parse(request.parameter("query"))
        if isinstance(query, LogQuery):
            raise LogQLError(
                "log queries are not supported as an instant query type, please change your query"
                " to a range query type"
            )
        moment = _time_ns(request.parameter("time"), time.time_ns())
        values = _values(store, query, moment).items()
        result = [{"metric": dict(key), "value": [moment // SECOND, each]} for key, each in values]
        return {"resultType": "vector", "result": result, "stats": {}}

    def _store(self, tenant: str) -> Store:
        with self._lock:
            if tenant not in self._stores:
                self._stores[tenant] = Store(self._folder / tenant / "lines.jsonl")
            return self._stores[tenant]


def _chunks(config: dict[str, Any]) -> Path:
    """Where the real one would keep its chunks."""
    named = (
        block(config, "storage_config", "filesystem").get("directory")
        or block(config, "common", "storage", "filesystem").get("chunks_directory")
        or f"{block(config, 'common').get('path_prefix', '/var/loki')}/chunks"
    )
    return Path(named)


def _streams(
    store: Asked, query: LogQuery, start: int, end: int, limit: int, forward: bool
) -> dict[str, Any]:
    found = sorted(store.find(query, start, end), key=lambda each: each[1], reverse=not forward)
    streams: dict[Labels, list[list[str]]] = {}
    for labels, (time_ns, line) in found[:limit]:
        streams.setdefault(labels, []).append([str(time_ns), line])
    result = [{"stream": dict(labels), "values": values} for labels, values in streams.items()]
    return {"resultType": "streams", "result": result, "stats": {}}


def _values(store: Asked, query: MetricQuery | Constant, moment: int) -> dict[Labels, str]:
    if isinstance(query, Constant):
        return {(): f"{query.value:g}"}
    if any(each.name == TENANT for each in query.logs.matchers):
        # As the real one, whose index has no such label.
        return {}
    groups: dict[Labels, list[str]] = {}
    # A range ends with its moment; `find` leaves its own end out.
    start = moment - int(query.range_s * SECOND) + 1
    for labels, (_, line) in store.find(query.logs, start, moment + 1):
        groups.setdefault(query.group(labels), []).append(line)
    return {labels: f"{query.value(lines):.15g}" for labels, lines in groups.items()}


def _selected(labels: dict[str, str], selectors: list[Any]) -> bool:
    if not selectors:
        return True
    return any(isinstance(each, LogQuery) and each.selects(labels) for each in selectors)


def _time_ns(text: str, default: int) -> int:
    """A time of the API: nanoseconds, seconds with or without a fraction, or RFC 3339."""
    if not text:
        return default
    try:
        number = float(text)
    except ValueError:
        return int(datetime.fromisoformat(text).timestamp() * SECOND)
    return int(text) if text.isdigit() and len(text) > 10 else int(number * SECOND)


def _data(content: Any) -> Answer:
    return Answer(200, json.dumps({"status": "success", "data": content}), JSON)
