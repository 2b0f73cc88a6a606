"""The alerting rules: complete, told apart, and each with a story in which it fires and does not.

What promtool says of them is asked end to end, and here where there is one in PATH.
"""

import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from tasks.prometheus.alerting import SUBJECTS, Timing
from tests.rules import metric_names, rule_files, rules, stories

SEVERITIES = {"critical", "warning", "info", "none"}
# What has happened rather than is the case: the window says how long it is told.
EVENTS = {
    "AppJobsFail",
    "HostOomKill",
    "HostRebooted",
    "LogsDropped",
    "MariadbRestarted",
    "PrometheusNotificationsDropped",
    "PrometheusStorageTrouble",
    "RedisConnectionsRejected",
    "Watchdog",
}
ODD = [
    "{alerting: {time_factor: 0.0001}}",
    "{alerting: {time_factor: 10, disk_free_percent: 60}}",
    "{alerting: {availability_percent: 95, certificate_days: 1, slow_per_minute: 0}}",
    "{alerting: {availability_percent: 99.99}}",
    "{alerting: {time_factor: 0.01}, prometheus: {scrape_interval_s: 300}}",
    "{nginx: {worker_connections: 65535}}",
]

Alert = tuple[str, str]  # its name and severity
Labels = dict[str, str]


@pytest.fixture
def alerts(tmp_path: Path) -> dict[Alert, dict[str, Any]]:
    found = [each for text in rule_files(tmp_path).values() for each in rules(text)]
    named = [
        ((rule["alert"], rule["labels"]["severity"]), rule) for rule in found if "alert" in rule
    ]
    assert {each: n for each, n in Counter(each for each, _ in named).items() if n > 1} == {}
    return dict(named)


def firing(expected: dict[str, Any]) -> list[Labels]:
    """The labels of all alerts that fire at one time of a story."""
    samples = [sample["labels"] for sample in expected["exp_samples"]]
    assert all(sample.startswith("ALERTS{") for sample in samples)
    return [dict(re.findall(r'(\w+)="([^"]*)"', sample)) for sample in samples]


def times_of_stories() -> list[tuple[str, list[list[Labels]]]]:
    """The name of every story, and what fires at each of its times."""
    return [
        (test["name"], [firing(expected) for expected in test["promql_expr_test"]])
        for text in stories().values()
        for test in yaml.safe_load(text)["tests"]
    ]


def test_every_subject_has_stories() -> None:
    assert set(stories()) == {f"{subject}.test.yml" for subject in SUBJECTS}


def test_every_alert_says_who_how_bad_and_what_to_do(alerts: dict[Alert, dict[str, Any]]) -> None:
    for (name, severity), rule in alerts.items():
        notes = rule["annotations"]
        assert severity in SEVERITIES, name
        assert set(notes) == {"summary", "description", "runbook"}, name
        assert "{{ $labels.target }}" in notes["summary"], name
        assert all(text and "\n" not in text for text in notes.values()), name
        assert name in EVENTS or "for" in rule, name


def test_every_alert_fires_in_one_of_its_stories_and_not_always(
    alerts: dict[Alert, dict[str, Any]],
) -> None:
    for name, severity in alerts:
        times = [
            any((each["alertname"], each["severity"]) == (name, severity) for each in at_a_time)
            for story, all_times in times_of_stories()
            if story.split(",")[0] == name
            for at_a_time in all_times
        ]
        assert True in times, f"{name} ({severity}) never fires"
        assert False in times or name == "Watchdog", f"{name} ({severity}) always fires"


def test_nothing_else_has_stories(alerts: dict[Alert, dict[str, Any]]) -> None:
    assert {story.split(",")[0] for story, _ in times_of_stories()} == {name for name, _ in alerts}


def test_annotations_use_labels_that_the_alert_has(alerts: dict[Alert, dict[str, Any]]) -> None:
    """promtool lets a label that is not there pass, and it would read as nothing.

    Those that the rule itself adds are not there.
    """
    seen = {
        (each["alertname"], each["severity"]): set(each)
        for _, times in times_of_stories()
        for at_a_time in times
        for each in at_a_time
    }
    for name, rule in alerts.items():
        used = set(re.findall(r"\$labels\.(\w+)", " ".join(rule["annotations"].values())))
        assert used <= seen[name] - rule["labels"].keys(), name


def test_every_rule_asks_for_metrics_and_what_is_recorded_is_recorded(tmp_path: Path) -> None:
    found = [each for text in rule_files(tmp_path).values() for each in rules(text)]
    asked = [(rule.get("alert"), metric_names(rule["expr"])) for rule in found]
    assert [name for name, metrics in asked if name and not metrics] == ["Watchdog"]
    recorded = {rule["record"] for rule in found if "record" in rule}
    assert {name for _, names in asked for name in names if ":" in name} == recorded


def test_the_metrics_of_an_expression() -> None:
    text = """1 - sum by (a, b) (rate(one_total{job="x y"}[5m])) > 0.5 and on (c) -two:three == 1
      or (four unless five) < time()"""
    assert metric_names(text) == {"one_total", "two:three", "four", "five"}


@pytest.mark.parametrize("odd", ODD)
def test_rules_are_whole_with_odd_settings(tmp_path: Path, odd: str) -> None:
    for text in rule_files(tmp_path, odd).values():
        assert "<<" not in text and "<%" not in text
        for rule in rules(text):
            assert not re.search(r"\[0|e-\d", rule["expr"]), rule["expr"]
            if "alert" in rule:
                assert rule.get("for", "1s") != "0s"


def test_the_budget_follows_the_objective(tmp_path: Path) -> None:
    text = rule_files(tmp_path, "{alerting: {availability_percent: 99.9}}")["app.yml"]
    expressions = " ".join(rule["expr"] for rule in rules(text))
    assert "app:probe_failures:ratio_1h > 0.0144" in expressions
    assert "app:probe_failures:ratio_3d > 0.001" in expressions


def test_drills_are_short_but_no_shorter_than_scraping_allows() -> None:
    usual, drill = Timing(1.0, 15), Timing(0.05, 15)
    assert (usual.hold("10m"), usual.window("6h"), usual.hold("1h")) == ("10m", "6h", "1h")
    assert (drill.hold("10m"), drill.window("6h"), drill.hold("1h")) == ("30s", "18m", "3m")
    assert (drill.hold("2m"), drill.window("5m"), drill.seconds("4h")) == ("15s", "1m", 720)
    assert (usual.outlast(2), usual.outlast(5), drill.outlast(2)) == ("2m", "5m", "2m")


def test_the_limit_of_nginx_is_known_of_every_target(tmp_path: Path) -> None:
    text = rule_files(tmp_path, "{nginx: {worker_connections: 512}}")["nginx.yml"]
    limits = {rule["labels"]["target"]: rule["expr"] for rule in rules(text) if "record" in rule}
    assert limits == {"observability": "vector(512)", "vpsmanager": "vector(512)"}


@pytest.mark.skipif(
    not shutil.which("promtool"),
    reason="there is no promtool in PATH: make e2e asks the one that it deploys",
)
def test_promtool_accepts_the_rules_and_their_stories(tmp_path: Path) -> None:
    rendered = rule_files(tmp_path)
    for number, odd in enumerate(ODD):
        rendered |= {f"odd-{number}-{k}": text for k, text in rule_files(tmp_path, odd).items()}
    for name, text in {**rendered, **stories()}.items():
        (tmp_path / name).write_text(text)
    for command in (["check", "rules", *rendered], ["test", "rules", *stories()]):
        done = subprocess.run(
            ["promtool", *command], cwd=tmp_path, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stdout + done.stderr
