"""A stand-in for Alloy: checks its configuration's syntax, and ships logs as the one for Promtail.

`fmt` gives back what it was given: it checks the syntax, but does not know the right format.
"""

from __future__ import annotations

import mmap
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from . import alloy_syntax, flags, package
from .alloy_graph import Graph, check
from .alloy_syntax import AlloyError, Block
from .web import Answer, Metrics, Request, log, serve

VERSION = package.version("1.18.1")
SWITCHES = (
    *("disable-reporting", "write", "w", "test", "t", "config.bypass-conversion-errors"),
    *("feature.community-components.enabled", "server.http.enable-pprof", "cluster.enabled"),
    *("version", "v", "help", "h"),
)
VALUES = (
    *("server.http.listen-addr", "server.http.memory-addr", "server.http.ui-path-prefix"),
    *("storage.path", "stability.level", "config.format", "config.extra-args"),
)


# As Go prints it: what went wrong comes first, and then every goroutine.
PANIC = "panic: operation not permitted\n\ngoroutine 1 [running]:\n" + "".join(
    f"github.com/tetratelabs/wazero/internal/standin.function{number}(0xc000{number:06x}, 0x1)\n"
    f"\t/go/pkg/mod/github.com/tetratelabs/wazero@v1.9.0/internal/standin.go:{number} +0x1f\n"
    for number in range(25)
)


def main(arguments: Sequence[str]) -> int:
    """Run one of its commands; exit code 1 for a configuration that is refused."""
    if package.flavour() == "write-execute":
        try:
            mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        except OSError:
            print(PANIC, end="", file=sys.stderr, flush=True)
            return 2
    try:
        found, words = flags.parse(arguments, SWITCHES, VALUES)
    except flags.FlagError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    if flags.is_on(found, "version") or flags.is_on(found, "v"):
        print(f"alloy, version v{VERSION} (a stand-in: not the real program)")
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
        graph = _graph(_load(path), metrics, storage)
        serve(host, int(port), lambda request: _answer(request, metrics))
    except (AlloyError, OSError) as error:
        return _refuse(path, error)
    log("info", "now listening for http traffic", addr=f"{host}:{port}")
    ended, again = threading.Event(), threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda number, _: _on_signal(number, ended, again))
    while not ended.wait(0.2):
        if again.is_set():
            again.clear()
            graph = _reloaded(path, graph, metrics, storage)
    graph.end()
    return 0


def _graph(blocks: list[Block], metrics: Metrics, storage: Path) -> Graph:
    """What a configuration describes; from 1.20 on, its metrics are other ones."""
    numbers = [int(each) for each in VERSION.split(".")[:2]]
    return Graph(blocks, metrics, storage, counts_requests=numbers >= [1, 20])


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
    return _graph(blocks, metrics, storage)


def _answer(request: Request, metrics: Metrics) -> Answer:
    match request.path:
        case "/-/ready":
            return Answer(200, "Alloy is ready.\n")
        case "/-/healthy":
            return Answer(200, "All Alloy components are healthy.\n")
        case "/metrics":
            return Answer(200, metrics.text())
    return Answer(404, "404 page not found\n")
