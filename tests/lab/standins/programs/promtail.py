"""A stand-in for Promtail: reads files and the journal, and sends their lines on as JSON."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from . import flags, package, promtail_config
from .durations import seconds
from .journal import Journal
from .pipeline import Entry, pipeline
from .positions import Positions
from .relabel import relabel
from .shipping import Client
from .strict import ConfigError, expand
from .tailing import Tail
from .web import Answer, Metrics, Request, log, serve

VERSION = package.version("3.6.15")
SWITCHES = (
    *("version", "check-syntax", "config.expand-env", "print-config-stderr", "dry-run", "inspect"),
    "server.enable-runtime-reload",
)
VALUES = ("config.file", "log.level", "client.url", "client.external-labels")


def main(arguments: Sequence[str]) -> int:
    """Run until SIGTERM; exit code 1 for a configuration that is refused."""
    try:
        found, _ = flags.parse(arguments, SWITCHES, VALUES)
    except flags.FlagError as error:
        print(error, flush=True)
        return 2
    if flags.is_on(found, "version"):
        print(f"promtail, version {VERSION} (a stand-in: not the real program)")
        return 0
    path = found.get("config.file", "")
    try:
        text = Path(path).read_text()
        if flags.is_on(found, "config.expand-env"):
            text = expand(text, os.environ)
        config = promtail_config.read(text)
    except (OSError, ConfigError) as error:
        print(f"Unable to parse config: {path}: {error}", flush=True)
        return 1
    if flags.is_on(found, "check-syntax"):
        print("Valid config file! No syntax issues found")
        return 0
    return _run(config)


def _run(config: dict[str, Any]) -> int:
    log("info", "Starting Promtail", version=VERSION, note="stand-in: not the real program")
    metrics = Metrics()
    metrics.set("promtail_build_info", 1, version=VERSION, branch="standin", revision="standin")
    server = config.get("server") or {}
    try:
        if not server.get("disable"):
            address, port = (
                server.get("http_listen_address", ""),
                server.get("http_listen_port", 80),
            )
            serve(address, port, lambda request: _answer(request, metrics))
    except OSError as error:
        log("error", "error creating promtail", error=error)
        return 1
    promtail = Promtail(config, metrics)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    ended.wait()
    promtail.end()
    return 0


def _answer(request: Request, metrics: Metrics) -> Answer:
    match request.path:
        case "/ready":
            return Answer(200, "Ready")
        case "/metrics":
            return Answer(200, metrics.text())
    return Answer(404, "404 page not found\n")


class Promtail:
    """Everything that reads, and everything that sends."""

    def __init__(self, config: dict[str, Any], metrics: Metrics) -> None:
        clients = promtail_config.clients(config)
        self._clients = [Client(each, metrics, "promtail") for each in clients]
        places = config.get("positions") or {}
        self._positions = Positions(
            Path(places.get("filename", "/var/log/positions.yaml")),
            seconds(str(places.get("sync_period", "10s"))),
        )
        self._readers: list[Tail | Journal] = []
        for scrape in config.get("scrape_configs") or []:
            self._read(scrape, metrics)

    def end(self) -> None:
        """Stop reading, then send what was read."""
        for reader in self._readers:
            reader.end()
        for client in self._clients:
            client.end()
        self._positions.save()

    def _read(self, scrape: dict[str, Any], metrics: Metrics) -> None:
        then = pipeline(scrape.get("pipeline_stages") or [], self._send)
        rules, job = scrape.get("relabel_configs") or [], str(scrape.get("job_name", ""))
        if journal := scrape.get("journal"):
            self._readers.append(
                Journal(job, journal, rules, then, self._positions, metrics, "promtail")
            )
        labels = [each.get("labels") or {} for each in scrape.get("static_configs") or []]
        targets = [relabel(each, rules) for each in labels if "__path__" in each]
        if found := [target for target in targets if target]:
            self._readers.append(Tail(found, then, self._positions, metrics, "promtail"))

    def _send(self, entry: Entry) -> None:
        for client in self._clients:
            client.send(entry)
