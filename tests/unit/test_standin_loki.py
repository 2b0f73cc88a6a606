"""The stand-in for Loki: what it refuses, what it keeps, and how it is asked."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.lab.standin_packages import SOURCES
from tests.lab.standins.programs import durations, flags, logql, loki, loki_config
from tests.lab.standins.programs.logql import LogQLError, LogQuery, MetricQuery, parse
from tests.lab.standins.programs.loki import SECOND, Loki
from tests.lab.standins.programs.loki_push import pushed, unsnapped
from tests.lab.standins.programs.loki_store import with_service_name
from tests.lab.standins.programs.strict import ConfigError, expand
from tests.lab.standins.programs.web import Answer, Request

PERIOD = """\
schema_config:
  configs:
    - from: 2024-01-01
      store: tsdb
      object_store: filesystem
      schema: v13
      index: {prefix: index_, period: 24h}
"""


# its configuration


def test_a_usual_configuration_is_accepted() -> None:
    text = f"""\
auth_enabled: false
server: {{http_listen_address: 127.0.0.1, http_listen_port: 3100, grpc_listen_port: 9096}}
common:
  path_prefix: /var/lib/loki
  replication_factor: 1
  ring: {{instance_addr: 127.0.0.1, kvstore: {{store: inmemory}}}}
  storage: {{filesystem: {{chunks_directory: /var/lib/loki/chunks}}}}
{PERIOD}
storage_config: {{filesystem: {{directory: /var/lib/loki/chunks}}}}
compactor:
  working_directory: /var/lib/loki/compactor
  retention_enabled: true
  delete_request_store: filesystem
  retention_delete_delay: 2h
limits_config: {{retention_period: 14d, allow_structured_metadata: true, volume_enabled: true}}
ingester: {{chunk_idle_period: 30m, wal: {{enabled: true, dir: /var/lib/loki/wal}}}}
query_range: {{results_cache: {{cache: {{embedded_cache: {{enabled: true, max_size_mb: 50}}}}}}}}
ruler: {{storage: {{type: local, local: {{directory: /var/lib/loki/rules}}}}}}
frontend: {{encoding: protobuf}}
analytics: {{reporting_enabled: false}}
table_manager: {{retention_deletes_enabled: false, retention_period: 0s}}
pattern_ingester: {{enabled: true}}
"""
    config = loki_config.read(text)
    assert loki_config.retention_s(config) == 14 * 86400
    assert loki_config.compaction_interval_s(config) == 600


def test_the_packaged_configurations_are_accepted() -> None:
    text = (SOURCES / "loki/etc/loki/config.yml").read_text()
    assert loki_config.retention_s(loki_config.read(text)) == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("limits_confik: {}", "line 8: field limits_confik not found in type loki.ConfigWrapper"),
        (
            "limits_config: {enforce_metric_name: false}",
            "field enforce_metric_name not found in type validation.plain",
        ),
        (
            "storage_config: {tsdb_shipper: {shared_store: filesystem}}",
            "field shared_store not found in type indexshipper.Config",
        ),
        ("auth_enabled: maybe", "line 8: cannot unmarshal !!str `maybe` into bool"),
        ("server: [1]", "cannot unmarshal !!int `1` into server.Config"),
        ("server: {http_listen_port: '3100'}", "cannot unmarshal !!str `3100` into int"),
        ("compactor: {retention_delete_delay: 2d}", 'unknown unit "d" in duration "2d"'),
        ("limits_config: {retention_period: 7}", 'not a valid duration string: "7"'),
        ("target: all\ntarget: read", 'key "target" already set in map'),
        ("server: {", "yaml: line"),
        (
            "compactor: {retention_enabled: true}",
            "CONFIG ERROR: invalid compactor config: compactor.delete-request-store should be"
            " configured when retention is enabled",
        ),
        (
            "limits_config: {retention_stream: [{selector: '{a=\"b\"}', period: 1h}]}",
            "retention period must be >= 24h was 1h",
        ),
    ],
)
def test_a_configuration_is_refused_in_lokis_words(text: str, words: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        loki_config.read(f"{PERIOD}{text}\n")
    assert words in str(refusal.value)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("schema: v13", "schema: v11", "your schema version is v11"),
        ("store: tsdb", "store: boltdb-shipper", "your index type is `boltdb-shipper`"),
        ("period: 24h", "period: 168h", "periodic config for index set to 24h"),
        (PERIOD, "auth_enabled: false\n", "at least one schema configuration"),
    ],
)
def test_schemas_that_loki_does_not_start_with(old: str, new: str, words: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        loki_config.read(PERIOD.replace(old, new, 1))
    assert words in str(refusal.value)


def test_verify_config_tells_by_its_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "config.yml"
    file.write_text(PERIOD)
    assert loki.main(["-verify-config", f"-config.file={file}"]) == 0
    file.write_text("sever: {}\n")
    assert loki.main(["--verify-config", "--config.file", str(file)]) == 1
    assert f"failed parsing config: {file}: yaml: unmarshal errors:\n  line 1: field sever" in (
        capsys.readouterr().out
    )
    assert loki.main(["-no-such-flag"]) == 2
    assert loki.main(["-version"]) == 0
    assert "stand-in" in capsys.readouterr().out


def test_variables_are_put_in() -> None:
    assert expand("a ${A} ${B:-c} ${C}.", {"A": "b"}) == "a b c ."


# durations and flags


def test_durations_of_both_kinds() -> None:
    assert durations.go_seconds("1h30m0.5s") == 5400.5
    assert durations.go_seconds("-250ms") == -0.25
    assert durations.prometheus_seconds("1w2d") == 9 * 86400
    assert durations.seconds("2d") == 2 * 86400
    for wrong in ("", "5", "1 h"):
        with pytest.raises(ValueError, match="duration"):
            durations.go_seconds(wrong)
    for wrong in ("", "1.5h", "1h1d"):
        with pytest.raises(ValueError, match="duration"):
            durations.prometheus_seconds(wrong)


def test_flags_as_go_reads_them() -> None:
    found, words = flags.parse(["-a", "--b=1", "-c", "d", "e"], ["a"], ["b", "c"])
    assert (found, words) == ({"a": "true", "b": "1", "c": "d"}, ["e"])
    with pytest.raises(flags.FlagError, match="not defined: -x"):
        flags.parse(["-x"], [], [])
    with pytest.raises(flags.FlagError, match="needs an argument: -b"):
        flags.parse(["-b"], [], ["b"])


# LogQL


def _selects(query: str, line: str, **labels: str) -> bool:
    parsed = parse(query)
    assert isinstance(parsed, LogQuery)
    return parsed.selects(labels) and parsed.keeps(line)


@pytest.mark.parametrize(
    ("query", "line", "expected"),
    [
        ('{job="a"}', "x", True),
        ('{job="b"}', "x", False),
        ('{job!="b", host="h"}', "x", True),
        ('{job=~"a|b"}', "x", True),
        ('{job=~"a.+"}', "x", False),
        ('{job=~"a", host!~"h.*"}', "x", False),
        ('{job="a", none=""}', "x", True),
        ('{job="a"} |= "two" != "three"', "one two", True),
        ('{job="a"} |= "two" != "three"', "two three", False),
        ('{job="a"} |~ `t.o$`', "one two", True),
        ('{job="a"} !~ "^one"', "one two", False),
        ('{job="a"} |= "a \\"quoted\\" word"', 'a "quoted" word', True),
    ],
)
def test_selectors_and_line_filters(query: str, line: str, expected: bool) -> None:
    assert _selects(query, line, job="a", host="h") is expected


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("", "unexpected $end"),
        ("{}", "at least one regexp or equality matcher"),
        ('{job=~".*"}', "at least one regexp or equality matcher"),
        ('{job="a"', "unexpected $end"),
        ('{job="a"} | json', "col 11: syntax error: unexpected |"),
        ('{job=~"("}', "error parsing regexp"),
        ('topk(1, {job="a"})', "unexpected topk"),
        ('rate({job="a"}[soon])', "not a valid duration string"),
    ],
)
def test_other_queries_are_refused(query: str, words: str) -> None:
    with pytest.raises(LogQLError) as refusal:
        parse(query)
    assert words in str(refusal.value)


def test_queries_for_numbers() -> None:
    query = parse('sum by (level) (rate({job="a"} |= "x" [5m]))')
    assert isinstance(query, MetricQuery)
    assert query.range_s == 300
    assert query.value(["x"] * 60) == pytest.approx(0.2)
    assert query.group((("job", "a"), ("level", "info"))) == (("level", "info"),)
    assert parse("vector(1)+vector(1)") == logql.Constant(2)


# its answers


def _loki(folder: Path, more: str = "") -> Loki:
    text = f"auth_enabled: false\ncommon: {{path_prefix: {folder}}}\n{PERIOD}{more}"
    return Loki(loki_config.read(text))


def _push(server: Loki, labels: dict[str, str], *lines: tuple[int, str]) -> Answer:
    stream = {"stream": labels, "values": [[str(time_ns), line] for time_ns, line in lines]}
    body = json.dumps({"streams": [stream]}).encode()
    headers = {"content-type": "application/json"}
    return server.answer(Request("POST", "/loki/api/v1/push", {}, headers, body))


def _get(server: Loki, path: str, **query: str) -> Any:
    asked = {name: [value] for name, value in query.items()}
    given = server.answer(Request("GET", f"/loki/api/v1/{path}", asked, {}, b""))
    assert given.status == 200, given.body
    return json.loads(given.body)["data"]


def test_lines_are_kept_and_found(tmp_path: Path) -> None:
    server, now = _loki(tmp_path), time.time_ns()
    assert _push(server, {"job": "a"}, (now, "one"), (now + 1, "two")).status == 204
    assert _push(server, {"job": "a"}, (now, "one")).status == 204
    assert _push(server, {"job": "b", "host": "h"}, (now, "three")).status == 204

    end = str(now + SECOND)
    [stream] = _get(server, "query_range", query='{job="a"}', end=end)["result"]
    assert stream["stream"] == {"job": "a", "service_name": "a"}
    assert stream["values"] == [[str(now + 1), "two"], [str(now), "one"]]
    forward = _get(
        server, "query_range", query='{job=~".+"}', end=end, direction="forward", limit="1"
    )
    assert len(forward["result"]) == 1
    assert _get(server, "labels") == ["host", "job", "service_name"]
    assert _get(server, "label/job/values") == ["a", "b"]
    counted = _get(server, "query", query='count_over_time({job="a"}[1m])', time=end)
    assert counted["result"][0]["value"][1] == "2"
    matrix = _get(server, "query_range", query='sum(rate({job="a"}[1m]))', end=end, step="600")
    assert matrix["resultType"] == "matrix"

    again = _loki(tmp_path)
    [stream] = _get(again, "query_range", query='{job="a"}', end=end)["result"]
    assert [line for _, line in stream["values"]] == ["two", "one"]
    metrics = server.answer(Request("GET", "/metrics", {}, {}, b"")).body
    assert 'loki_distributor_lines_received_total{tenant="fake"} 4\n' in metrics
    assert 'loki_build_info{branch="standin"' in metrics


def test_old_lines_are_dropped_if_the_compactor_is_to(tmp_path: Path) -> None:
    keeping = "limits_config: {retention_period: 1m}\n"
    dropping = f"{keeping}compactor: {{retention_enabled: true, delete_request_store: filesystem}}"
    now = time.time_ns()
    for more, left in ((keeping, ["old", "new"]), (dropping, ["new"])):
        server = _loki(tmp_path / str(len(left)), more)
        _push(server, {"job": "a"}, (now - 120 * SECOND, "old"), (now, "new"))
        server.drop_old()
        [stream] = _get(server, "query_range", query='{job="a"}', end=str(now + 1))["result"]
        assert [line for _, line in reversed(stream["values"])] == left


def test_what_it_does_not_take(tmp_path: Path) -> None:
    server = _loki(tmp_path)
    assert _push(server, {}, (time.time_ns(), "x")).status == 400
    old = _push(server, {"job": "a"}, (time.time_ns() - 8 * 86400 * SECOND, "x"))
    assert (old.status, old.body.split(":")[0]) == (400, "entry has timestamp too old")
    instant = Request("GET", "/loki/api/v1/query", {"query": ['{job="a"}']}, {}, b"")
    assert "not supported as an instant query" in server.answer(instant).body
    for body in (b"", b"words", b"\x05\x10words"):
        kind = {"content-type": "application/x-protobuf"}
        assert server.answer(Request("POST", "/loki/api/v1/push", {}, kind, body)).status == 400


def test_push_without_lines_is_refused_in_its_own_words(tmp_path: Path) -> None:
    headers = {"content-type": "application/json"}
    push = Request("POST", "/loki/api/v1/push", {}, headers, b'{"streams": []}')
    given = _loki(tmp_path).answer(push)
    assert (given.status, given.body) == (
        422,
        "error at least one valid stream is required for ingestion\n",
    )


def test_retention_is_shown_as_loki_writes_it(tmp_path: Path) -> None:
    server = _loki(tmp_path, "limits_config: {retention_period: 360h}\n")
    shown = yaml.safe_load(server.answer(Request("GET", "/config", {}, {}, b"")).body)
    assert shown["limits_config"]["retention_period"] == "15d"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (1296000, "15d"),
        (1209600, "2w"),
        (5400, "1h30m"),
        (31536000, "1y"),
        (0.25, "250ms"),
    ],
)
def test_durations_as_prometheus_prints_them(seconds: float, text: str) -> None:
    assert durations.prometheus_text(seconds) == text


def _field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2, len(content)]) + content


def test_pushes_of_the_real_shippers_are_understood() -> None:
    # Times are seconds (field 1, 300 as a varint) and nanoseconds (field 2).
    entry = _field(1, b"\x08\xac\x02\x10\x07") + _field(2, b"a line")
    stream = _field(1, b'{a="b", job="with \\"quotes\\""}') + _field(2, entry)
    message = _field(1, stream)
    literal = bytes([len(message), (len(message) - 1) << 2]) + message
    assert pushed(literal, "application/x-protobuf") == [
        ({"a": "b", "job": 'with "quotes"'}, [(300_000_000_007, "a line")])
    ]


def test_snappy_repeats_what_it_had() -> None:
    # "ab", then a copy of six bytes from two back, by each of the three kinds of copy.
    for copy in (
        bytes([2 << 2 | 1, 2]),
        bytes([5 << 2 | 2, 2, 0]),
        bytes([5 << 2 | 3, 2, 0, 0, 0]),
    ):
        assert unsnapped(b"\x08\x04ab" + copy) == b"abababab"
    long = bytes(range(256))
    assert unsnapped(b"\x80\x02" + bytes([60 << 2, 255]) + long) == long
    with pytest.raises(ValueError, match="corrupt"):
        unsnapped(b"\x09\x04ab")


def test_tenants_do_not_see_each_other(tmp_path: Path) -> None:
    server = Loki(loki_config.read(f"common: {{path_prefix: {tmp_path}}}\n{PERIOD}"))
    assert _push(server, {"job": "a"}, (1, "x")).status == 401
    body = json.dumps(
        {"streams": [{"stream": {"job": "a"}, "values": [[str(time.time_ns()), "x"]]}]}
    ).encode()
    headers = {"content-type": "application/json", "x-scope-orgid": "one"}
    push = Request("POST", "/loki/api/v1/push", {}, headers, body)
    assert server.answer(push).status == 204
    for tenant, labels in (("one", ["job", "service_name"]), ("two", [])):
        asked = Request("GET", "/loki/api/v1/labels", {}, {"x-scope-orgid": tenant}, b"")
        assert json.loads(server.answer(asked).body)["data"] == labels


def test_several_tenants_are_asked_together_where_that_is_enabled(tmp_path: Path) -> None:
    many = "querier: {multi_tenant_queries_enabled: true}"
    server = Loki(loki_config.read(f"common: {{path_prefix: {tmp_path}}}\n{PERIOD}\n{many}"))
    value = [[str(time.time_ns()), "x"]]
    body = json.dumps({"streams": [{"stream": {"job": "a"}, "values": value}]}).encode()
    for tenant, status in (("one", 204), ("two", 204), ("one|two", 400), ("one|", 401)):
        headers = {"content-type": "application/json", "x-scope-orgid": tenant}
        push = Request("POST", "/loki/api/v1/push", {}, headers, body)
        assert server.answer(push).status == status

    def tenants(selector: str, asking: str) -> list[str]:
        query = {"query": [f"sum by (__tenant_id__) (count_over_time({selector}[1h]))"]}
        headers = {"x-scope-orgid": asking}
        given = server.answer(Request("GET", "/loki/api/v1/query", query, headers, b""))
        found = json.loads(given.body)["data"]["result"]
        return [each["metric"].get("__tenant_id__", "") for each in found]

    assert tenants('{job="a"}', "one|two|three") == ["one", "two"]
    # The real one counts nothing where the tenant is selected.
    assert tenants('{job="a",__tenant_id__=~"two|fake"}', "one|two") == []
    assert tenants('{job="a"}', "one") == [""]

    def senders(selector: str, asking: str) -> list[str]:
        headers, query = {"x-scope-orgid": asking}, {"query": [selector]}
        given = server.answer(Request("GET", "/loki/api/v1/query_range", query, headers, b""))
        found = json.loads(given.body)["data"]["result"]
        return [each["stream"].get("__tenant_id__", "") for each in found]

    assert senders('{job="a"}', "one|two") == ["one", "two"]
    assert senders('{job="a",__tenant_id__=~"two|fake"}', "one|two") == ["two"]
    assert senders('{job="a",__tenant_id__="one"}', "one") == []


def test_it_is_ready_after_a_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server, ready = _loki(tmp_path), Request("GET", "/ready", {}, {}, b"")
    assert server.answer(ready).status == 503
    monkeypatch.setattr(loki, "SECONDS_UNTIL_READY", 0)
    assert server.answer(ready).body == "ready\n"


def test_service_names_as_loki_finds_them() -> None:
    assert with_service_name({"job": "j", "app": "a"})["service_name"] == "a"
    assert with_service_name({"host": "h"})["service_name"] == "unknown_service"
    assert with_service_name({"service_name": "own", "job": "j"})["service_name"] == "own"
