"""What the dashboards ask Prometheus and Loki, read from their JSON files alone."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = Path(__file__).parent / "json"
# What Grafana would put in where everything is chosen, for a graph of some hours.
VALUES: Mapping[str, str] = {
    "target": ".+",
    "app": ".+",
    "job": ".+",
    "search": "",
    "__rate_interval": "5m",
    "__interval": "1m",
    # Of Loki's datasource: the step of a graph, and of a query for the present the range.
    "__auto": "1m",
    "__range": "6h",
}
_VARIABLE = re.compile(r"\$(?:\{(\w+)(?::\w+)?\}|([A-Za-z_]\w*))")
# What is no name of a metric: strings, labels, durations, lists of labels; words and functions.
_STRING = r'"(?:[^"\\]|\\.)*"'
_NO_METRIC = [
    re.compile(
        rf'\{{(?:[^"}}]|{_STRING})*\}}|{_STRING}|\[[^\]]*\]'
        r"|\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)"
    ),
    re.compile(r"\b(?:and|or|unless|bool|offset)\b|[A-Za-z_]\w*\s*\(|\b[0-9][0-9.a-z]*"),
]


class Query(NamedTuple):
    """What a panel, or a variable, of a dashboard asks: the uids, the title, the expression."""

    dashboard: str
    panel: str
    datasource: str
    expression: str


def queries(values: Mapping[str, str] = VALUES, folder: Path = FOLDER) -> Iterator[Query]:
    """All that is asked, with Grafana's variables replaced by ``values``.

    Raises KeyError for a variable that has none.
    """
    for path in sorted(folder.glob("*.json")):
        dashboard = json.loads(path.read_text())
        for panel, datasource, expression in _asked(dashboard):
            text = _VARIABLE.sub(lambda match: values[match[1] or match[2]], expression)
            yield Query(dashboard["uid"], panel, datasource, text)


def metrics(expression: str) -> set[str]:
    """The names of the metrics in an expression of PromQL, as far as they are written as names."""
    for pattern in _NO_METRIC:
        expression = pattern.sub(" ", expression)
    return set(re.findall(r"[A-Za-z_:][\w:]*", expression))


def _asked(dashboard: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            asked = re.fullmatch(r"label_values\((.+), \w+\)", variable["query"]["query"])
            if asked:
                yield f"${variable['name']}", variable["datasource"]["uid"], asked[1]
    for panel in dashboard["panels"]:
        for target in panel.get("targets") or []:
            yield panel["title"], panel["datasource"]["uid"], target["expr"]
