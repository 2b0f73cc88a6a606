"""Deployments as Grafana shows them: a mark over their time in every graph."""

import html
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from tasks.component import Site
from tasks.grafana.places import LOGIN, local_url

LIMIT_S = 10


def announce(site: Site, record: Mapping[str, Any]) -> tuple[str, str]:
    """A shell command that tells Grafana of a deployment by its record, and its standard input.

    It does nothing where no deployment has come as far as Grafana's login.
    """
    command = (
        f"[ ! -e {LOGIN} ] || curl -fsS -m {LIMIT_S} -o /dev/null -K {LOGIN}"
        " -H 'Content-Type: application/json'"
        f" --data-binary @- {local_url(site, '/api/annotations')}"
    )
    return command, json.dumps(annotation(record))


def annotation(record: Mapping[str, Any]) -> dict[str, Any]:
    """What Grafana is told: times in ms, tags to find it by, and who did what in HTML."""
    changed = {
        target: {name: each["changed"] for name, each in its["components"].items()}
        for target, its in record["targets"].items()
    }
    tags = [target for target, components in changed.items() if any(components.values())]
    return {
        "time": _ms(record["started_at"]),
        "timeEnd": _ms(record["completed_at"]),
        "tags": ["deployment", *tags],
        "text": "<br>".join([_headline(record), *(_line(name, changed[name]) for name in tags)]),
    }


def _headline(record: Mapping[str, Any]) -> str:
    who = record["deployer"]
    return html.escape(
        f"{record['deployment_id']} by {who['user']} at {who['hostname']}: {record['status']}"
    )


def _line(target: str, components: Mapping[str, int]) -> str:
    changes = ", ".join(f"{name} {count}" for name, count in components.items() if count)
    return html.escape(f"{target}: {sum(components.values())} changes ({changes})")


def _ms(time: str) -> int:
    parsed = datetime.strptime(time, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    return int(parsed.timestamp() * 1000)
