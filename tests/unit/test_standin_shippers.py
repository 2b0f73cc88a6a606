"""The stand-ins for Promtail and Alloy: what they refuse, and how lines travel through them."""

from __future__ import annotations

import json
import ssl
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from configs.secrets import random_value
from tasks.log_shipper.host.metrics import Page, read
from tasks.log_shipper.host.positions import entries
from tasks.metrics.certificate import certificate
from tests.lab.standin_packages import SOURCES
from tests.lab.standins.programs import (
    alloy,
    alloy_graph,
    package,
    promtail,
    promtail_config,
    shipping,
)
from tests.lab.standins.programs.alloy_graph import Graph, check
from tests.lab.standins.programs.alloy_syntax import AlloyError, Call, Reference, parse
from tests.lab.standins.programs.journal import Journal
from tests.lab.standins.programs.pipeline import Entry, pipeline
from tests.lab.standins.programs.positions import Positions
from tests.lab.standins.programs.promtail import Promtail
from tests.lab.standins.programs.relabel import public, relabel
from tests.lab.standins.programs.shipping import Client
from tests.lab.standins.programs.strict import ConfigError
from tests.lab.standins.programs.web import Answer, Metrics, Request, serve

CLIENT = "clients: [{url: 'http://127.0.0.1:1/loki/api/v1/push'}]\n"


class Receiver:
    """Takes pushes, and refuses them while `status` says so."""

    def __init__(self) -> None:
        self.status = 204
        self.pushes: list[Request] = []
        self._server = serve("127.0.0.1", 0, self._answer)
        self.url = f"http://127.0.0.1:{self._server.server_port}/loki/api/v1/push"

    def _answer(self, request: Request) -> Answer:
        if self.status == 204:
            self.pushes.append(request)
        return Answer(self.status)

    def lines(self) -> list[tuple[dict[str, str], str]]:
        """All lines that were taken, with their labels."""
        return [
            (stream["stream"], line)
            for push in list(self.pushes)
            for stream in json.loads(push.body)["streams"]
            for _, line in stream["values"]
        ]

    def speak_tls(self, certificate: Path, key: Path) -> None:
        """Take pushes by TLS from now on."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.url = self.url.replace("http:", "https:")

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    yield server
    server.close()


def _wait_for(question: Callable[[], Any], limit_s: float = 60) -> None:
    deadline = time.monotonic() + limit_s
    while not question():
        assert time.monotonic() < deadline
        time.sleep(0.02)


# Promtail's configuration


def test_the_packaged_configuration_is_accepted(capsys: pytest.CaptureFixture[str]) -> None:
    file = str(SOURCES / "promtail/etc/promtail/config.yml")
    assert promtail.main(["-check-syntax", "-config.file", file]) == 0
    assert "Valid config file" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"{CLIENT}scrape_confiks: []", "line 2: field scrape_confiks not found in type config"),
        ("clients: [{url: http://l/, password: x}]", "field password not found in type client.raw"),
        ("clients: [{}]", "client needs target URL"),
        ("server: {}", "at least one client config should be provided"),
        (
            "clients: [{url: http://l/, basic_auth: {password: x, password_file: y}}]",
            "at most one of basic_auth password",
        ),
        (
            f"{CLIENT}scrape_configs: [{{pipeline_stages: [{{no_such: {{}}}}]}}]",
            "field no_such not found in type stages.PipelineStage",
        ),
        (
            f"{CLIENT}scrape_configs: [{{pipeline_stages: [{{multiline: {{firstline: '('}}}}]}}]",
            "error parsing regexp",
        ),
        (f"{CLIENT}positions: {{sync_period: 1d}}", 'unknown unit "d"'),
    ],
)
def test_a_configuration_is_refused_in_promtails_words(text: str, words: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        promtail_config.read(text)
    assert words in str(refusal.value)


def test_check_syntax_tells_by_its_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "config.yml"
    file.write_text("client3: {}\n")
    assert promtail.main(["-check-syntax", f"-config.file={file}"]) == 1
    assert capsys.readouterr().out.startswith(f"Unable to parse config: {file}: yaml: unmarshal")


# labels and stages


def test_relabelling() -> None:
    labels = {"__journal__systemd_unit": "nginx.service", "host": "H", "old": "x"}
    rules: list[dict[str, Any]] = [
        {
            "source_labels": ["__journal__systemd_unit"],
            "target_label": "unit",
            "regex": r"(.+)\.service",
            "replacement": "${1}",
        },
        {"action": "lowercase", "source_labels": ["host"], "target_label": "host"},
        {"action": "labeldrop", "regex": "old"},
        {"action": "drop", "source_labels": ["unit"], "regex": "ssh"},
    ]
    changed = relabel(labels, rules)
    assert changed is not None
    assert public(changed) == {"unit": "nginx", "host": "h"}
    assert relabel(labels, [{"action": "keep", "source_labels": ["host"], "regex": "h"}]) is None


def _through(stages: list[dict[str, Any]], line: str) -> Entry | None:
    came: list[Entry] = []
    pipeline(stages, came.append)(Entry({"job": "a"}, 5, line))
    return came[0] if came else None


def test_stages_one_after_the_other() -> None:
    stages: list[dict[str, Any]] = [
        {"regex": {"expression": r"^(?P<when>\S+) (?<level>\w+) (?P<rest>.*)$"}},
        {"labels": {"level": None, "severity": "level"}},
        {"static_labels": {"source": "test"}},
        {"timestamp": {"source": "when", "format": "RFC3339"}},
        {"output": {"source": "rest"}},
        {"replace": {"expression": "password=(\\S+)", "replace": "***"}},
        {"json": {"expressions": {"a": "b"}}},
    ]
    entry = _through(stages, "2026-01-01T00:00:00Z WARN login password=geheim done")
    assert entry is not None
    assert entry.labels == {"job": "a", "level": "WARN", "severity": "WARN", "source": "test"}
    assert entry.line == "login password=*** done"
    assert entry.time_ns == 1767225600 * 1_000_000_000
    assert _through([{"drop": {"expression": "^x"}}], "xyz") is None


def test_lines_of_one_message_are_put_together() -> None:
    came: list[str] = []
    lock = threading.Lock()

    def take(entry: Entry) -> None:
        with lock:
            came.append(entry.line)

    receive = pipeline([{"multiline": {"firstline": r"^\[", "max_wait_time": "500ms"}}], take)
    for line in ("[1] a", "  b", "[2] c"):
        receive(Entry({"job": "a"}, 1, line))
    assert came == ["[1] a\n  b"]
    _wait_for(lambda: came == ["[1] a\n  b", "[2] c"])


# shipping


def _promtail(folder: Path, receiver: Receiver) -> Promtail:
    text = json.dumps(
        {
            "positions": {"filename": str(folder / "positions.yaml")},
            "clients": [
                {
                    "url": receiver.url,
                    "batchwait": "50ms",
                    "external_labels": {"host": "h"},
                    "basic_auth": {"username": "u", "password_file": str(folder / "password")},
                    "backoff_config": {
                        "min_period": "50ms",
                        "max_period": "100ms",
                        # For ever.
                        "max_retries": 0,
                    },
                }
            ],
            "scrape_configs": [
                {
                    "job_name": "files",
                    "static_configs": [
                        {"labels": {"job": "app", "__path__": str(folder / "*.log")}}
                    ],
                }
            ],
        }
    )
    (folder / "password").write_text("secret\n")
    return Promtail(promtail_config.read(text), Metrics())


def test_files_are_followed_across_rotation_and_restart(tmp_path: Path, receiver: Receiver) -> None:
    log = tmp_path / "app.log"
    log.write_text("one\n")
    first = _promtail(tmp_path, receiver)
    _wait_for(lambda: [line for _, line in receiver.lines()] == ["one"])
    assert receiver.lines()[0][0] == {"job": "app", "filename": str(log), "host": "h"}
    expected = f"Basic {b64encode(b'u:secret').decode()}"
    assert receiver.pushes[0].headers["authorization"] == expected

    with log.open("a") as file:
        file.write("two\nhalf ")
    log.rename(tmp_path / "app.log.1")
    log.write_text("three\n")
    _wait_for(lambda: [line for _, line in receiver.lines()] == ["one", "two", "three"])
    first.end()

    with log.open("a") as file:
        file.write("four\n")
    second = _promtail(tmp_path, receiver)
    _wait_for(lambda: [line for _, line in receiver.lines()][-1] == "four")
    assert len(receiver.lines()) == 4
    second.end()


def test_lines_wait_for_loki(tmp_path: Path, receiver: Receiver) -> None:
    receiver.status = 503
    (tmp_path / "app.log").write_text("patient\n")
    shipper = _promtail(tmp_path, receiver)
    time.sleep(0.6)
    receiver.status = 204
    _wait_for(lambda: [line for _, line in receiver.lines()] == ["patient"])
    shipper.end()


@pytest.mark.parametrize(("name", "comes"), [("logs.internal", True), ("other.internal", False)])
def test_a_certificate_is_trusted_by_the_name_it_has(
    tmp_path: Path, receiver: Receiver, name: str, comes: bool
) -> None:
    key = random_value("private_key")
    (tmp_path / "tls.key").write_text(key)
    (tmp_path / "tls.crt").write_text(certificate(key, "logs.internal"))
    receiver.speak_tls(tmp_path / "tls.crt", tmp_path / "tls.key")
    tls = {"ca_file": str(tmp_path / "tls.crt"), "server_name": name}
    backoff = {"min_period": "50ms", "max_retries": 2}
    settings = {
        "url": receiver.url,
        "batchwait": "50ms",
        "tls_config": tls,
        "backoff_config": backoff,
    }
    client = Client(settings, Metrics(), "promtail")
    client.send(Entry({"job": "app"}, time.time_ns(), "sealed"))
    client.end()
    assert [line for _, line in receiver.lines()] == (["sealed"] if comes else [])


# Alloy


def test_alloys_language_is_read() -> None:
    [block, other] = parse(
        """
        // a comment
        loki.write "here" {
          external_labels = {host = constants.hostname, "role" = `raw\\`,}
          endpoint {
            url   = "http://l:3100/" /* another */
            ports = [1, -2.5, true, null]
            key   = sys.env("KEY")
          }
        }
        logging { }
        """
    )
    assert block.path == "loki.write.here"
    labels = block.attributes["external_labels"]
    assert labels == {"host": Reference("constants.hostname", 4), "role": "raw\\"}
    [endpoint] = block.inner("endpoint")
    assert endpoint.attributes["ports"] == [1, -2.5, True, None]
    assert endpoint.attributes["key"] == Call("sys.env", ("KEY",))
    assert other.path == "logging"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('loki.write "a" {', "1:17: expected name, got EOF"),
        ('loki.write "a" { url = }', "1:24: expected expression, got }"),
        ("logging {}}", "expected name, got }"),
        ('logging { level = "\\d" }', "unknown escape sequence"),
        ("logging { level = ; }", "illegal character"),
        ("logging { a = 1 a = 2 }", "attribute a is set twice"),
        ('no.such "a" {}', 'cannot find the definition of component name "no.such"'),
        ('loki.write "a" {}\nloki.write "a" {}', "block loki.write.a already declared"),
        ('loki.write "a" { urls = 1 }', 'unrecognized attribute name "urls"'),
        ('loki.write "a" { end {} }', 'unrecognized block name "end"'),
        (
            'loki.source.journal "a" { forward_to = [loki.write.b.receiver] }',
            'component "loki.write.b.receiver" does not exist or is out of scope',
        ),
    ],
)
def test_what_alloy_refuses(text: str, words: str) -> None:
    with pytest.raises(AlloyError) as refusal:
        check(parse(text))
    assert words in str(refusal.value)


def test_alloy_ships_files(tmp_path: Path, receiver: Receiver) -> None:
    (tmp_path / "app.log").write_text("[1] WARN a\n  b\n")
    blocks = parse(
        f"""
        local.file_match "app" {{
          path_targets = [{{__path__ = "{tmp_path}/*.log", job = "app"}}]
        }}
        loki.source.file "app" {{
          targets    = local.file_match.app.targets
          forward_to = [loki.process.app.receiver]
        }}
        loki.process "app" {{
          stage.multiline {{
            firstline     = `^\\[`
            max_wait_time = "100ms"
          }}
          stage.regex {{ expression = "^\\\\[\\\\d+\\\\] (?P<level>\\\\w+)" }}
          stage.labels {{ values = {{ level = "" }} }}
          forward_to = [loki.relabel.app.receiver]
        }}
        loki.relabel "app" {{
          rule {{
            source_labels = ["job"]
            target_label  = "service_name"
          }}
          forward_to = [loki.write.here.receiver]
        }}
        loki.write "here" {{
          endpoint {{
            url        = "{receiver.url}"
            batch_wait = "50ms"
            batch_size = "1MiB"
          }}
          external_labels = {{host = "h"}}
        }}
        """
    )
    check(blocks)
    graph = Graph(blocks, Metrics(), tmp_path / "data")
    _wait_for(receiver.lines)
    [(labels, line)] = receiver.lines()
    assert line == "[1] WARN a\n  b"
    assert labels == {
        "job": "app",
        "level": "WARN",
        "service_name": "app",
        "host": "h",
        "filename": str(tmp_path / "app.log"),
    }
    graph.end()


def test_alloys_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    packaged = str(SOURCES / "alloy/etc/alloy/config.alloy")
    assert alloy.main(["validate", packaged]) == 0
    assert alloy.main(["fmt", packaged]) == 0
    assert capsys.readouterr().out == Path(packaged).read_text()
    file = tmp_path / "config.alloy"
    file.write_text("logging {\n")
    for command in ("validate", "fmt", "run"):
        assert alloy.main([command, str(file)]) == 1
        assert f"Error: {file}:2:1: expected name, got EOF" in capsys.readouterr().err
    assert alloy.main(["--version"]) == 0
    assert "stand-in" in capsys.readouterr().out


ALLOY = """
    local.file_match "app" {{
      path_targets = [{{__path__ = "{folder}/*.log", job = "app"}}]
    }}
    loki.source.file "app" {{
      targets    = local.file_match.app.targets
      forward_to = [loki.write.here.receiver]
    }}
    loki.write "here" {{
      endpoint {{
        url                 = "{url}"
        batch_wait          = "50ms"
        min_backoff_period  = "50ms"
        max_backoff_period  = "100ms"
        max_backoff_retries = 0
      }}
    }}
"""


def _alloy(folder: Path, receiver: Receiver, **options: Any) -> tuple[Graph, Metrics]:
    blocks, metrics = parse(ALLOY.format(folder=folder, url=receiver.url)), Metrics()
    return Graph(blocks, metrics, folder / "data", **options), metrics


@pytest.mark.parametrize("counts_requests", [False, True])
def test_metrics_tell_what_waits(tmp_path: Path, receiver: Receiver, counts_requests: bool) -> None:
    receiver.status = 503
    (tmp_path / "app.log").write_text("patient\n")
    graph, metrics = _alloy(tmp_path, receiver, counts_requests=counts_requests)

    def page() -> Page:
        return read(metrics.text(), "loki_write_", 1)

    _wait_for(lambda: not page().is_idle and "batch_retries_total" in metrics.text())
    receiver.status = 204
    _wait_for(lambda: page().is_idle and len(receiver.lines()) == 1)
    assert ("encoded_bytes_total" in metrics.text()) != counts_requests
    graph.end()


def test_what_alloy_could_not_send_is_lost_with_it(
    tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As measured with the real one: positions are written when lines are handed over."""
    monkeypatch.setattr(shipping, "ALLOY_DRAIN_S", 0.2)
    log = tmp_path / "app.log"
    log.write_text("lost\n")
    receiver.status = 503
    first, metrics = _alloy(tmp_path, receiver)
    _wait_for(lambda: "batch_retries_total" in metrics.text())
    first.end()
    positions = (tmp_path / "data/loki.source.file.app/positions.yml").read_text()
    assert [(entry.path, entry.offset) for entry in entries(positions)] == [(str(log), 5)]
    receiver.status = 204
    with log.open("a") as file:
        file.write("found\n")
    second, _ = _alloy(tmp_path, receiver)
    _wait_for(receiver.lines)
    second.end()
    assert [line for _, line in receiver.lines()] == ["found"]


def test_promtail_reads_on_only_after_it_has_sent(tmp_path: Path, receiver: Receiver) -> None:
    receiver.status = 503
    metrics = Metrics()
    client = Client({"url": receiver.url, "batchwait": "50ms"}, metrics, "promtail")
    client.send(Entry({"job": "app"}, time.time_ns(), "one"))
    _wait_for(lambda: "promtail_request_duration_seconds_count" in metrics.text())
    waiting = threading.Thread(
        target=client.send, args=(Entry({"job": "app"}, time.time_ns(), "two"),)
    )
    waiting.start()
    waiting.join(0.3)
    assert waiting.is_alive()
    receiver.status = 204
    waiting.join(10)
    client.end()
    assert [line for _, line in receiver.lines()] == ["one", "two"]


def test_full_queue_of_alloy_holds_its_readers_up(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shipping, "ALLOY_QUEUE_BYTES", 100)
    receiver.status = 503
    client = Client({"url": receiver.url, "batchwait": "10s"}, Metrics(), "loki_write")
    client.send(Entry({"job": "app"}, time.time_ns(), "x" * 80))
    entry = Entry({"job": "app"}, time.time_ns(), "y" * 80)
    waiting = threading.Thread(target=client.send, args=(entry,), daemon=True)
    waiting.start()
    waiting.join(0.3)
    assert waiting.is_alive()


@pytest.mark.parametrize(
    ("flavour", "job"),
    [("plain", "mine"), ("overwrites-label", "loki.source.journal.j")],
)
def test_label_of_the_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flavour: str, job: str
) -> None:
    made: list[dict[str, Any]] = []
    monkeypatch.setattr(package, "flavour", lambda: flavour)
    monkeypatch.setattr(alloy_graph, "Journal", lambda name, settings, *_: made.append(settings))
    text = 'loki.source.journal "j" { labels = {job = "mine"} forward_to = [] }'
    Graph(parse(text), Metrics(), tmp_path)
    assert made[0]["labels"] == {"job": job}


def test_alloy_panics_where_memory_cannot_be_executed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(package, "flavour", lambda: "write-execute")
    arguments = ["validate", str(SOURCES / "alloy/etc/alloy/config.alloy")]
    assert alloy.main(arguments) == 0
    monkeypatch.setattr("mmap.mmap", refuse)
    assert alloy.main(arguments) == 2
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "panic: operation not permitted" and len(said) > 50


@pytest.mark.parametrize(("age_s", "option"), [(3600, "--after-cursor="), (90000, "--since=@")])
def test_cursor_counts_up_to_a_maximal_age(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, age_s: int, option: str
) -> None:
    """The real ones take no cursor whose entry is older than `max_age`, 7 h unless it is set."""
    ran: list[list[str]] = []

    def run(command: list[str], **_: Any) -> Any:
        ran.append(command)
        raise OSError("no journal here")

    monkeypatch.setattr("subprocess.Popen", run)
    positions = Positions(tmp_path / "positions.yml", 99)
    positions.put("cursor-j", f"s=1;i=2;t={int((time.time() - age_s) * 1e6):x};x=3")
    with suppress_thread_errors():
        Journal("j", {"max_age": "24h"}, [], lambda entry: None, positions, Metrics(), "p")
        _wait_for(lambda: ran)
    assert any(each.startswith(option) for each in ran[0])


@contextmanager
def suppress_thread_errors() -> Iterator[None]:
    hook, threading.excepthook = threading.excepthook, lambda _: None
    try:
        yield
        time.sleep(0.1)
    finally:
        threading.excepthook = hook
