"""Prove the history: find records that were changed, are missing, cut off or out of order.

Signatures are verified with the key of the secrets, if it is at hand.

--json: {"records": how many there are, "pruned": how many are gone, "ok": true or false,
"signatures": true if they were verified, else false,
"findings": [{"deployment_id", "kind", "note", "what", "remedy"}, …]}. "note": it is no problem.
"""

import argparse
from dataclasses import asdict

from state.commands import terminal, words
from state.integrity import verify
from state.store import Store

READS_RECORDS = True
HELP = "find records that were changed, are missing, cut off or out of order"


def arguments(parser: argparse.ArgumentParser) -> None:
    """It takes nothing of its own."""


def run(chosen: argparse.Namespace, store: Store) -> int:
    """Print what was found; exit code 1 with problems."""
    verdict = verify(store)
    if chosen.json:
        findings = [{**asdict(each), "note": each.is_note} for each in verdict.findings]
        terminal.document(
            {
                "records": verdict.records,
                "pruned": verdict.pruned,
                "ok": not verdict.problems,
                "signatures": verdict.signed,
                "findings": findings,
            }
        )
        return bool(verdict.problems)
    for each in verdict.findings:
        colour = None if each.is_note else "red"
        terminal.say(f"{each.deployment_id}  {each.kind}: {each.what}", colour)
        if each.remedy:
            terminal.say(f"do: {each.remedy}", indent=1)
    terminal.say_unverified(store)
    records = words.count(verdict.records, "record")
    gone = f", and {verdict.pruned} pruned" if verdict.pruned else ""
    if verdict.problems:
        problems = words.count(len(verdict.problems), "problem")
        terminal.say(f"{problems} in {records}{gone}", "red")
    else:
        terminal.say(f"{records}{gone}: all as they were written", "green")
    return bool(verdict.problems)
