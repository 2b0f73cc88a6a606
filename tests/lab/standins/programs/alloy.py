"""A stand-in for Alloy: checks its configuration's syntax, and ships logs as the one for Promtail.

`fmt` gives back what it was given: it checks the syntax, but does not know the right format.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from . import alloy_syntax, flags
from .alloy_graph import Graph, check
from .alloy_syntax import AlloyError, Block
from .web import Answer, Metrics, Request, log, serve

VERSION = "1.12.0+standin"
SWITCHES = (
    *("disable-reporting", "write", "w", "test", "t", "config.bypass-conversion-errors"),
    *("feature.community-components.enabled", "server.http.enable-pprof", "cluster.enabled"),
    *("version", "v", "help", "h"),
)
VALUES = (
    *("server.http.listen-addr", "server.http.memory-addr", "server.http.ui-path-prefix"),
    *("storage.path", "stability.level", "config.format", "config.extra-args"),
)


def main(arguments: Sequence[str]) -> int:
    """Run one of its commands; exit code 1 for a configuration that is refused."""
    try:
        found, words = flags.parse(arguments, SWITCHES, VALUES)
    except flags.FlagError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    if flags.is_on(found, "version") or flags.is_on(found, "v"):
        print(f"alloy, version {VERSION} (a stand-in: not the real program)")
        return 0
    match words:
        case ["fmt"] | ["fmt", "-"]:
            return _fmt(sys.stdin.read(), "<stdin>", found)
        case ["fmt", path]:
            return _fmt(Path(path).read_text(), path, found)
        case ["validate", path]:
            return _validate(path)
        case ["run", path]:
            return _run(path, found)
    print("usage: alloy run|validate|fmt [flags] PATH", file=sys.stderr)
    return 1


def _fmt(text: str, path: str, found: dict[str, str]) -> int:
    try:
        alloy_syntax.parse(text)
    except AlloyError as error:
        return _refuse(path, error)
    quiet = any(flags.is_on(found, name) for name in ("test", "t", "write", "w"))
    print("" if quiet else text, end="")
    return 0


def _validate(path: str) -> int:
    try:
        _load(path)
    except (AlloyError, OSError) as error:
        return _refuse(path, error)
    return 0


def _refuse(path: str, error: Exception) -> int:
    print(f"Error: {path}:{error}", file=sys.stderr, flush=True)
    return 1


def _load(path: str) -> list[Block]:
    place = Path(path)
    files = sorted(place.glob("*.alloy")) if place.is_dir() else [place]
    blocks = [block for file in files for block in alloy_syntax.parse(file.read_text())]
    check(blocks)
    return blocks


def _run(path: str, found: dict[str, str]) -> int:
    log("info", "starting Alloy", version=VERSION, note="stand-in: not the real program")
    metrics = Metrics()
    metrics.set("alloy_build_info", 1, version=VERSION, branch="standin", revision="standin")
    host, _, port = found.get("server.http.listen-addr", "127.0.0.1:12345").rpartition(":")
    storage = Path(found.get("storage.path", "data-alloy/"))
    try:
        graph = Graph(_load(path), metrics, storage)
        serve(host, int(port), lambda request: _answer(request, metrics))
    except (AlloyError, OSError) as error:
        return _refuse(path, error)
    log("info", "now listening for http traffic", addr=f"{host}:{port}")
    ended, again = threading.Event(), threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda number, _: _on_signal(number, ended, again))
    _tell_systemd("READY=1")
    while not ended.wait(0.2):
        if again.is_set():
            again.clear()
            graph = _reloaded(path, graph, metrics, storage)
    graph.end()
    return 0


def _on_signal(number: int, ended: threading.Event, again: threading.Event) -> None:
    (again if number == signal.SIGHUP else ended).set()


def _reloaded(path: str, graph: Graph, metrics: Metrics, storage: Path) -> Graph:
    """What the file describes now; what it described before if it is refused."""
    try:
        blocks = _load(path)
    except (AlloyError, OSError) as error:
        log("error", "failed to reload config", err=f"{path}:{error}")
        return graph
    graph.end()
    log("info", "config reloaded")
    return Graph(blocks, metrics, storage)


def _answer(request: Request, metrics: Metrics) -> Answer:
    match request.path:
        case "/-/ready":
            return Answer(200, "Alloy is ready.\n")
        case "/-/healthy":
            return Answer(200, "All Alloy components are healthy.\n")
        case "/metrics":
            return Answer(200, metrics.text())
    return Answer(404, "404 page not found\n")


def _tell_systemd(words: str) -> None:
    if address := os.environ.get("NOTIFY_SOCKET"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
            systemd.connect(address.replace("@", "\0", 1) if address[0] == "@" else address)
            systemd.sendall(words.encode())
