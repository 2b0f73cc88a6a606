"""What is verified, and what is said of a link that broke."""

import json
import shutil
import subprocess
import threading
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import gevent
import pytest
from pyinfra.context import ctx_host, ctx_state

from facts.answers import END, Answer, Answers
from state.verifying import failure, verify_all
from tasks.component import Site
from tasks.grafana.queries import queries
from tasks.verification import alerts, check, dashboards, logs, metrics
from tasks.verification.check import Check, Unanswered, ask, settle
from tests.unit.helpers import configuration, fake_state, hardware

MAIL = """\
targets:
  observability: {role: observability, address: 10.9.0.11}
  vpsmanager: {role: vpsmanager, address: 10.9.0.21}
settings:
  smtp: {host: mail.example.net, sender: a@example.net}
  alertmanager: {email_to: [ops@example.net]}
"""
TARGETS: dict[str, Any] = {
    "data": {
        "activeTargets": [
            {"labels": {"job": "node", "target": name}, "health": "up", "lastError": ""}
            for name in ("observability", "vpsmanager")
        ]
    }
}
RULES = {"data": {"groups": [{"rules": [{"name": "HostDown", "health": "ok"}]}]}}
MANAGERS = {"data": {"activeAlertmanagers": [{"url": "http://127.0.0.1:9093"}]}}
SENT = 'alertmanager_notification_requests_total{integration="email"} '
FAILED = 'alertmanager_notification_requests_failed_total{integration="email"} '


def answer(body: Any, status: int = 200) -> list[str]:
    """What curl prints for it."""
    text = body if isinstance(body, str) else json.dumps(body)
    return [*text.splitlines(), str(status)]


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "PAUSE_S", 0.01)
    for module in (logs, alerts):
        monkeypatch.setattr(module, "LIMIT_S", 0.05)
    monkeypatch.setattr(
        "tasks.verification.metrics.settle", lambda find, limit_s: settle(find, 0.05)
    )


def checks(
    find: Callable[[Site], Sequence[Check]], responses: dict[str, Any], folder: Path, text: str = ""
) -> dict[str, str]:
    """Name → problem of what ``find`` tells of a host with these answers."""
    settings = configuration(folder, text) if text else configuration(folder)
    targets = list(settings.targets.values())
    site = Site(targets[0], hardware(), targets, [each.name for each in targets], [22], {})
    state = fake_state(["observability"], responses)
    with ctx_state.use(state), ctx_host.use(state.inventory.get_host("@fake/observability")):
        return {each.name: each.problem for each in find(site)}


def test_an_answer_is_told_from_none() -> None:
    assert Answer().process(['{"a": 1}', "200"]) == {"status": 200, "body": {"a": 1}}
    assert Answer().process(["two", "lines", "503"]) == {"status": 503, "body": "two\nlines"}
    assert Answer().process(["curl: (7) refused", "000"])["status"] == 0


def test_metrics_that_arrive(tmp_path: Path) -> None:
    responses = {
        "/targets": answer(TARGETS),
        "/rules": answer(RULES),
        "/alertmanagers": answer(MANAGERS),
    }
    assert set(checks(metrics.check, responses, tmp_path).values()) == {""}


def test_each_broken_link_of_the_metrics_is_named(tmp_path: Path) -> None:
    down = {"labels": {"job": "redis", "target": "vpsmanager"}, "health": "down"}
    targets = {"data": {"activeTargets": [{**down, "lastError": "connection refused"}]}}
    bad = {"name": "DiskFull", "health": "err", "lastError": "many-to-many matching"}
    responses = {
        "/targets": answer(targets),
        "/rules": answer({"data": {"groups": [{"rules": [bad]}]}}),
        "/alertmanagers": answer("bad gateway", 502),
    }
    said = list(checks(metrics.check, responses, tmp_path).values())
    assert "redis of vpsmanager: down connection refused" in said[0]
    assert "nothing of observability is scraped" in said[0]
    assert said[1] == "DiskFull: err many-to-many matching"
    assert "answers 502: bad gateway" in said[2]


def test_a_prometheus_without_rules_is_no_good_one(tmp_path: Path) -> None:
    responses = {
        "/targets": answer(TARGETS),
        "/rules": answer({"data": {"groups": []}}),
        "/alertmanagers": answer(MANAGERS),
    }
    assert "no rule is loaded" in checks(metrics.check, responses, tmp_path).values()


@pytest.mark.parametrize(
    ("answered", "problem"),
    [
        (answer({"data": {"result": []}}), ""),
        (answer("parse error", 400), "New: http://127.0.0.1:9090/api/v1/query?query=up+%3D%3D+0"),
    ],
)
def test_a_rule_whose_turn_is_yet_to_come_is_asked_as_a_query(
    tmp_path: Path, answered: list[str], problem: str
) -> None:
    new = {"name": "New", "health": "unknown", "query": "up == 0"}
    responses = {
        "/targets": answer(TARGETS),
        "/rules": answer({"data": {"groups": [*RULES["data"]["groups"], {"rules": [new]}]}}),
        "query=": [*answered, END],
        "/alertmanagers": answer(MANAGERS),
    }
    said = checks(metrics.check, responses, tmp_path)["every rule is loaded and evaluates"]
    assert said.startswith(problem) and bool(said) == bool(problem)


def test_a_line_of_each_target_must_be_found(tmp_path: Path) -> None:
    found = answer({"data": {"result": [{"values": []}]}})
    none = answer({"data": {"result": []}})
    responses = {"vpsmanager": none, "query_range": found}
    said = checks(logs.check, responses, tmp_path)
    assert said == {
        "a line logged on observability is found in Loki": "",
        "a line logged on vpsmanager is found in Loki": "not within 0.05 s",
    }


def test_an_alert_is_accepted_and_its_mail_is_not_expected_without_a_server(tmp_path: Path) -> None:
    responses = {"/metrics": answer(""), "/alerts": answer([{"labels": {}}])}
    assert checks(alerts.check, responses, tmp_path) == {"a test alert is accepted": ""}


def test_a_mail_that_does_not_go_out_is_told(tmp_path: Path) -> None:
    responses = {"/metrics": answer(f"{SENT}3\n{FAILED}1"), "/alerts": answer([{"labels": {}}])}
    said = checks(alerts.check, responses, tmp_path, MAIL)
    assert said["its mail is taken by mail.example.net"].endswith("0 tried, 0 failed")


@pytest.mark.parametrize(
    ("tried", "failed", "word"), [(4, 1, ""), (4, 2, "1 tried, 1 failed"), (6, 3, "")]
)
def test_mails_are_counted_from_before(
    tried: int, failed: int, word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alerts, "_mails", lambda base: (float(tried), float(failed)))
    assert alerts._undelivered("", (3, 1)).endswith(word)


def test_alertmanager_that_is_away(tmp_path: Path) -> None:
    said = checks(alerts.check, {"curl": answer("curl: (7) refused", 0)}, tmp_path, MAIL)
    (problem,) = said.values()
    assert "answers nothing: curl: (7) refused" in problem


def test_what_was_not_asked_for_raises() -> None:
    state = fake_state(["a"], {"curl": answer("no", 404)})
    host = state.inventory.get_host("@fake/a")
    refused = pytest.raises(Unanswered, match="answers 404: no")
    with ctx_state.use(state), ctx_host.use(host), refused:
        ask("http://127.0.0.1/x")


@pytest.mark.parametrize("body", ['{"data": {"resu', "curl: (28) Operation timed out", ""])
def test_an_answer_that_is_cut_off_is_no_answer(body: str) -> None:
    state = fake_state(["a"], {"curl": answer(body)})
    host = state.inventory.get_host("@fake/a")
    refused = pytest.raises(Unanswered, match="answers no JSON, or not to its end")
    with ctx_state.use(state), ctx_host.use(host), refused:
        ask("http://127.0.0.1/x")


def test_a_check_that_stumbles_ends_no_other() -> None:
    state = fake_state(["a", "b"])
    one, other = (state.inventory.get_host(f"@fake/{name}") for name in ("a", "b"))

    def stumble() -> list[Check]:
        raise KeyError("data")

    found = verify_all(state, {one: stumble, other: lambda: [Check("it works")]})
    assert [each.problem for each in found["@fake/b"]] == [""]
    assert found["@fake/a"][0].problem == "KeyError: 'data'"
    assert failure(found["@fake/b"]) is None
    error = failure(found["@fake/a"])
    assert error is not None and error.stage == "verify" and "--debug" in (error.remedy or "")


def test_a_long_verification_says_that_it_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    state = fake_state(["a", "b"])
    slow, quick = (state.inventory.get_host(f"@fake/{name}") for name in "ab")
    monkeypatch.setattr("state.verifying.TOLD_EVERY_S", 0.02)

    def wait() -> Sequence[Check]:
        gevent.sleep(0.05)
        return [Check("it works")]

    found = verify_all(state, {slow: wait, quick: lambda: [Check("it works")]})
    assert [each.problem for its in found.values() for each in its] == ["", ""]
    assert "    @fake/a: verifying for 0 s so far …\n" in capsys.readouterr().err


@pytest.mark.parametrize(("database", "patient"), [("ok", True), ("failing", False)])
def test_data_sources_get_time_to_start_where_grafana_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database: str, patient: bool
) -> None:
    limits: list[float] = []

    def once(find: Callable[[], str], limit_s: float) -> str:
        limits.append(limit_s)
        return settle(find, 0)

    monkeypatch.setattr(dashboards, "settle", once)
    responses = {"/api/health": answer({"database": database}), "/datasources": answer("no", 503)}
    found = checks(dashboards.check, responses, tmp_path)
    for uid in dashboards.DATASOURCES:
        assert "answers 503" in found[f"Grafana's datasource {uid} answers"]
    assert all((limit > 60) == patient for limit in limits[1:3])


def test_many_answers_are_told_apart() -> None:
    lines = [
        *answer({"a": 1}),
        END,
        *answer("two\nlines", 503),
        END,
        "curl: (7) no",
        "",
        "000",
        END,
    ]
    assert Answers().process(lines) == [
        {"status": 200, "body": {"a": 1}},
        {"status": 503, "body": "two\nlines"},
        {"status": 0, "body": "curl: (7) no\n"},
    ]


@pytest.mark.skipif(
    shutil.which("curl") is None, reason="curl asks what many answers are: apt-get install curl"
)
def test_many_are_asked_in_their_order_by_one_program() -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status = int(self.path.partition("=")[2])
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps([status]).encode())

        def log_message(self, *words: object) -> None:
            """Nobody reads it."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever).start()
        urls = [f"http://127.0.0.1:{server.server_port}/?status={each}" for each in (200, 404, 201)]
        command = Answers().command(["http://127.0.0.1:9/", *urls]).get_raw_value()
        done = subprocess.run(["sh", "-c", command], capture_output=True, text=True)
        server.shutdown()
    found = Answers().process(done.stdout.splitlines())
    assert [each["status"] for each in found] == [0, 200, 404, 201]
    assert [each["body"] for each in found[1:]] == [[200], [404], [201]]


@pytest.mark.parametrize(
    ("spoilt", "word"),
    [
        (answer({"data": {"result": []}}), "no data for"),
        (answer("bad query", 400), "answers 400: bad query"),
        (["curl: (7) refused", "000"], "answers nothing: curl: (7) refused"),
    ],
)
def test_one_query_of_all_dashboards_that_is_unsound_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoilt: list[str], word: str
) -> None:
    monkeypatch.setattr(dashboards, "settle", lambda find, limit_s: settle(find, 0.01))
    asked = [each for each in queries() if each.datasource in dashboards.DATASOURCES]
    sound = [*answer({"data": {"result": [1]}}), END]
    must = next(number for number, each in enumerate(asked) if dashboards._must(each))
    well = {
        "/api/health": answer({"database": "ok"}),
        "/datasources": answer({"status": "OK"}),
    }
    for wrong in (None, must):
        lines = [
            line
            for number in range(len(asked))
            for line in ([*spoilt, END] if number == wrong else sound)
        ]
        [*_, problem] = checks(dashboards.check, {**well, "/query": lines}, tmp_path).values()
        query = asked[must]
        expected = f"{query.dashboard}, {query.panel}: " if wrong is not None else ""
        assert problem.startswith(expected) and (word in problem) == (wrong is not None)
        assert problem.count("; ") == 0
    [*_, problem] = checks(dashboards.check, {**well, "/query": sound}, tmp_path).values()
    assert problem == f"of {len(asked)} questions only 1 got an answer"
