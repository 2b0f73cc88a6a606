"""Dashboards: Grafana answers with its datasources, and every query of a dashboard is sound."""

import time
from collections.abc import Sequence
from functools import partial

from facts.answers import AnswerData
from tasks.component import Site
from tasks.grafana.places import LOGIN, local_url
from tasks.grafana.queries import Query, metrics, queries
from tasks.verification.check import Check, Unanswered, ask, ask_all, read, settle

DATASOURCES = ("prometheus", "loki")
# From 13 on data sources are processes that start after Grafana itself answers; on one vCPU they
# were seen to take up to a minute.
DATASOURCE_LIMIT_S = 75
# Every machine has these; a file system that node_exporter counts, for one, a container lacks.
EVERYWHERE = {"up", "node_memory_MemAvailable_bytes", "node_memory_MemTotal_bytes", "node_load1"}


def check(site: Site) -> Sequence[Check]:
    """Asked of Grafana with its admin's password, and of Prometheus and Loki themselves."""
    look = f"journalctl -u grafana-server on {site.target.name}"
    problem = settle(lambda: _health(site), 10)
    # Without Grafana its data sources cannot answer either.
    started_by = time.monotonic() + (0 if problem else DATASOURCE_LIMIT_S)
    return [
        Check("Grafana is healthy", problem, look),
        *(
            Check(
                f"Grafana's datasource {uid} answers",
                # They start at the same time, so the later ones have waited already.
                settle(partial(_datasource, site, uid), max(10, started_by - time.monotonic())),
                f"{look}; systemctl status {uid}",
            )
            for uid in DATASOURCES
        ),
        Check(
            "every dashboard's queries are sound, and have data where each machine has some",
            settle(lambda: _queries(site), 2 * site.settings.prometheus.scrape_interval_s),
            "open the dashboard; a query that finds nothing asks for what no exporter shows",
        ),
    ]


def _health(site: Site) -> str:
    found = ask(local_url(site, "/api/health"))
    return "" if found["database"] == "ok" else f"its database is {found['database']}"


def _datasource(site: Site, uid: str) -> str:
    found = ask(local_url(site, f"/api/datasources/uid/{uid}/health"), login=LOGIN)
    return "" if found["status"] == "OK" else str(found.get("message"))


def _queries(site: Site) -> str:
    asked = [each for each in queries() if each.datasource in DATASOURCES]
    found = ask_all([_question(each, site) for each in asked])
    problems = (_problem(each, *answer) for each, answer in zip(asked, found, strict=True))
    return "; ".join(problem for problem in problems if problem)


def _question(query: Query, site: Site) -> tuple[str, dict[str, str]]:
    """A URL and what is asked there; what must find something is asked of the last two rounds."""
    if query.datasource == "loki":
        loki = f"http://127.0.0.1:{site.settings.loki.port}/loki/api/v1"
        return f"{loki}/query_range", {"query": query.expression}
    settings = site.settings.prometheus
    prometheus = f"http://127.0.0.1:{settings.port}/api/v1"
    if not _must(query):
        return f"{prometheus}/query", {"query": query.expression}
    now = time.time()
    since = now - 2 * settings.scrape_interval_s
    times = {"start": f"{since:.0f}", "end": f"{now:.0f}", "step": "1"}
    return f"{prometheus}/query_range", {"query": query.expression, **times}


def _problem(query: Query, url: str, answer: AnswerData) -> str:
    where = f"{query.dashboard}, {query.panel}"
    try:
        found = read(url, answer)["data"]["result"]
    except Unanswered as error:
        return f"{where}: {error}"
    return f"{where}: no data for {query.expression}" if not found and _must(query) else ""


def _must(query: Query) -> bool:
    """Whether it finds something on every machine; one that compares may well find nothing."""
    compares = any(f" {each} " in query.expression for each in ("==", "!=", "<", ">", "<=", ">="))
    known = metrics(query.expression) <= EVERYWHERE
    return query.datasource == "prometheus" and known and not compares
