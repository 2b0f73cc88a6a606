"""All deployments, newest first.

--json: {"current": ID or null, "records": [{"deployment_id", "current", "problem", "action",
"status", "started_at", "completed_at", "duration_s", "user", "hostname", "ci", "message",
"changes", "targets": {NAME: STATUS}}, …], "more": how many older ones are not shown}. A record
that cannot be read has a "problem", which is null for all others, and null for all else.
"""

import argparse
from collections.abc import Sequence
from itertools import islice
from typing import Any

from state.commands import terminal, words
from state.commands.table import Column, lines
from state.store import Store
from state.summaries import Line, Summary, newest_first

READS_RECORDS = True
HELP = "all deployments, newest first"
LIMIT = 20
# Below, an id is shown by its random end, by which it can be named as well.
_NARROW = 70


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument(
        "--limit", type=_positive, metavar="N", default=LIMIT, help="the newest N (default: 20)"
    )
    parser.add_argument("--all", action="store_true", help="all of them")


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of 1 or more")
    return int(text)


def run(chosen: argparse.Namespace, store: Store) -> int:
    """Print the history; exit code 0 also where there is none."""
    shown = list(islice(newest_first(store), None if chosen.all else chosen.limit))
    more = len(store.ids()) - len(shown)
    current = store.current()
    if chosen.json:
        records = [_data(each, current) for each in shown]
        terminal.document({"current": current, "records": records, "more": more})
    elif not shown:
        terminal.say("No deployment yet: the first one is pyinfra inventory.py deploy.py")
        terminal.say(
            "If others deployed from elsewhere: python -m state sync fetches their records"
        )
    else:
        for line in lines(_columns(shown, current), [_colour(each) for each in shown]):
            print(line)
        terminal.say_unverified(store)
        if more > 0:
            terminal.say(f"{words.count(more, 'older one')} not shown: --all shows all")
    return 0


def _columns(shown: Sequence[Line], current: str | None) -> list[Column]:
    narrow = terminal.width() < _NARROW
    ids = [each.deployment_id for each in shown]
    times = [each.summary.started_at if each.summary else words.time_of(each.deployment_id)
             for each in shown]  # fmt: skip
    summaries = [each.summary for each in shown]
    return [
        Column("", ["*" if each == current else " " for each in ids]),
        Column("id", [each.rpartition("-")[2] if narrow else each for each in ids]),
        Column("when", [words.ago(each) if each else "" for each in times], rank=1),
        Column(
            "action",
            [each.action if each else "" for each in summaries],
            rank=6 if {each.action for each in summaries if each} <= {"deploy"} else 1,
        ),
        Column("status", [each.summary.status if each.summary else each.status for each in shown]),
        Column("who", [each.who if each else "" for each in summaries], rank=5, least=12),
        Column("targets", [_targets(each) for each in summaries], rank=3, least=14),
        Column(
            "changes", [str(each.changes) if each else "" for each in summaries], rank=2, right=True
        ),
        Column(
            "took",
            [words.duration(each.duration_s) if each else "" for each in summaries],
            rank=7,
            right=True,
        ),
        Column(
            "message",
            [each.summary.message if each.summary else each.problem for each in shown],
            rank=4,
            least=20,
        ),
    ]


def _targets(summary: Summary | None) -> str:
    """The failed ones first, each with a mark."""
    if summary is None:
        return ""
    failed = [f"✗{name}" for name, each in summary.targets.items() if each.status == "failed"]
    return " ".join(
        [*failed, *(name for name, each in summary.targets.items() if each.status != "failed")]
    )


def _colour(line: Line) -> str | None:
    if line.summary is None:
        return "red"
    return {"failed": "red", "interrupted": "yellow"}.get(line.summary.status)


def _data(line: Line, current: str | None) -> dict[str, Any]:
    each = line.summary
    return {
        "deployment_id": line.deployment_id,
        "current": line.deployment_id == current,
        "problem": line.problem or None,
        "action": each and each.action,
        "status": each and each.status,
        "started_at": each and each.started_at,
        "completed_at": each and each.completed_at,
        "duration_s": each and each.duration_s,
        "user": each and each.deployer.user,
        "hostname": each and each.deployer.hostname,
        "ci": each.deployer.ci.model_dump() if each and each.deployer.ci else None,
        "message": each and each.message,
        "changes": each and each.changes,
        "targets": {name: target.status for name, target in each.targets.items()} if each else None,
    }
