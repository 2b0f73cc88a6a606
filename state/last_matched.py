"""When what is deployed last matched what was declared."""

import json
from dataclasses import dataclass
from typing import Any

from state.store import Store
from state.summaries import newest_first

FILE = "matched.json"


@dataclass(frozen=True)
class Match:
    """What is known of a target.

    ``at``: when it last matched; None: not known. ``by``: the deployment that completed then, or
    None where a dry run found nothing to change. ``differs``: what a later dry run would change,
    ``differs_at`` when it said so.
    """

    at: str | None = None
    by: str | None = None
    differs: tuple[str, ...] = ()
    differs_at: str | None = None


def last_matches(store: Store, targets: list[str]) -> dict[str, Match]:
    """Of each target: a completed deployment matched when it completed, or a dry run says more."""
    found: dict[str, Match] = {}
    for line in newest_first(store):
        if set(found) >= set(targets):
            break
        if line.summary is None or line.summary.action != "deploy":
            continue
        for name, target in line.summary.targets.items():
            if name in targets and name not in found and target.status == "completed":
                found[name] = Match(target.completed_at, line.deployment_id)
    dry_runs = _dry_runs(store)
    return {name: _later(found.get(name, Match()), dry_runs.get(name)) for name in targets}


def _later(deployed: Match, dry_run: Any) -> Match:
    """A file of no known shape says nothing."""
    if not isinstance(dry_run, dict) or not isinstance(at := dry_run.get("at"), str):
        return deployed
    if deployed.at and at < deployed.at:
        return deployed
    differs = dry_run.get("differs")
    if not isinstance(differs, list):
        return deployed
    if not differs:
        return Match(at)
    return Match(deployed.at, deployed.by, tuple(map(str, differs)), at)


def _dry_runs(store: Store) -> dict[str, Any]:
    try:
        found = json.loads((store.folder / FILE).read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
