"""The dashboards: their files are what the code makes, and they hang together."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from configs import PROJECT
from tasks.grafana.dashboards.__main__ import made, written
from tasks.grafana.queries import FOLDER, Query, metrics, queries

NAMES = {
    *("chom-fleet", "chom-host", "chom-apps", "chom-nginx", "chom-php-fpm"),
    *("chom-mariadb", "chom-redis", "chom-logs", "chom-deployments"),
}
DASHBOARDS: list[dict[str, Any]] = [
    json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))
]
each_dashboard = pytest.mark.parametrize(
    "dashboard", DASHBOARDS, ids=[each["uid"] for each in DASHBOARDS]
)


def test_the_files_are_what_the_code_makes() -> None:
    assert made() == written(FOLDER), "python -m tasks.grafana.dashboards --write"


def test_deploying_does_without_the_sdk() -> None:
    code = (
        "import sys; sys.modules['grafana_foundation_sdk'] = None;"
        " import tasks.stacks, tasks.grafana.queries"
    )
    subprocess.run([sys.executable, "-c", code], cwd=PROJECT, check=True)


def test_which_there_are() -> None:
    assert {each["uid"] for each in DASHBOARDS} == NAMES
    assert {f"{name}.json" for name in NAMES} == {path.name for path in FOLDER.iterdir()}


@each_dashboard
def test_each_shows_deployments(dashboard: dict[str, Any]) -> None:
    [annotation] = dashboard["annotations"]["list"]
    assert annotation["enable"]
    assert annotation["datasource"]["uid"] == "-- Grafana --"
    assert annotation["target"]["type"] == "tags"
    assert annotation["target"]["tags"] == ["deployment"]


@each_dashboard
def test_each_leads_to_the_others(dashboard: dict[str, Any]) -> None:
    [link] = dashboard["links"]
    assert link["type"] == "dashboards" and set(link["tags"]) <= set(dashboard["tags"])
    links = re.findall(r"/d/([a-z-]+)\?", json.dumps(dashboard["panels"]))
    assert set(links) <= NAMES


@each_dashboard
def test_each_is_for_chosen_targets(dashboard: dict[str, Any]) -> None:
    assert "target" in [each["name"] for each in dashboard["templating"]["list"]]


@each_dashboard
def test_panels_do_not_overlap(dashboard: dict[str, Any]) -> None:
    numbers = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(numbers)) == len(numbers)
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        at = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert not cells & taken, panel["title"]
        assert all(x < 24 for x, _ in cells), panel["title"]
        taken |= cells


@each_dashboard
def test_each_graph_and_number_of_prometheus_leads_to_logs(dashboard: dict[str, Any]) -> None:
    for panel in dashboard["panels"]:
        if panel.get("datasource", {}).get("uid") == "prometheus" and panel["type"] != "table":
            urls = [link["url"] for link in panel["fieldConfig"]["defaults"]["links"]]
            assert any("/d/chom-logs?" in url for url in urls), panel["title"]


def test_no_variable_is_left_in_a_query() -> None:
    found = list(queries())
    assert len(found) > 100
    assert not [each for each in found if "$" in each.expression]
    assert {each.datasource for each in found} == {"prometheus", "loki"}
    assert Query("chom-fleet", "$target", "prometheus", "up") in found


def test_a_variable_without_a_value_is_found(tmp_path: Path) -> None:
    panel = {"title": "x", "datasource": {"uid": "prometheus"}, "targets": [{"expr": "up * $x"}]}
    dashboard = {"uid": "a", "templating": {"list": []}, "panels": [panel]}
    (tmp_path / "a.json").write_text(json.dumps(dashboard))
    with pytest.raises(KeyError, match="x"):
        list(queries(folder=tmp_path))


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ('sum by (target) (rate(a_total{b="c",d=~"e|f"}[5m])) > 0', {"a_total"}),
        (
            'label_replace(a{x="}"}, "b", "$1", "c", "(.*)") or job:b:sum offset 5m',
            {"a", "job:b:sum"},
        ),
        ("a / on (target) group_left (x) b unless 1e3 * c", {"a", "b", "c"}),
        ("count(up == 0) or vector(0)", {"up"}),
    ],
)
def test_which_metrics_an_expression_names(expression: str, names: set[str]) -> None:
    assert metrics(expression) == names
