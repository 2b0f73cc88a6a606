"""Bring this history and the copies that the targets hold together.

Gets the records that others have deployed by, or all of them on a new computer, and puts those
there that a target lacks. Nothing that is here is replaced.

--json: {"got": {ID: the target that had it}, "put": {target: how many}, "problems": [text, …]}.
"""

import argparse

from state.commands import terminal, words
from state.commands.alone import alone
from state.pruning import read_pruned
from state.reading import Unreadable
from state.refusing import Refusal
from state.store import Store

NEEDS_KEY = True
HELP = "get the records that the targets hold copies of, and put those there that they lack"


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument(
        "targets", metavar="TARGET", nargs="*", help="these alone; otherwise all of the inventory"
    )


def run(chosen: argparse.Namespace, store: Store) -> int:
    """Sync, and say what came of it; exit code 1 with problems."""
    # They take long to import.
    from state.commands import remote
    from state.syncing import sync

    with alone(store, "sync"), remote.targets(chosen.targets) as (hosts, failed):
        store.sign_history()
        done = sync(store, hosts, _pruned(store))
    done.problems += [f"{each.target}: {each.message}; {each.remedy}" for each in failed]
    if chosen.json:
        terminal.document({"got": done.got, "put": done.put, "problems": done.problems})
        return bool(done.problems)
    for deployment_id, target in sorted(done.got.items()):
        terminal.say(f"got {deployment_id} from {target}")
    for target, number in done.put.items():
        if number:
            terminal.say(f"put {words.count(number, 'record')} on {target}")
    for problem in done.problems:
        terminal.say(problem, "red")
    if not (done.got or any(done.put.values()) or done.problems):
        text = "nothing to do: the history and the copies on the targets are the same"
        terminal.say(text, "green")
    return bool(done.problems)


def _pruned(store: Store) -> list[str]:
    try:
        return list(read_pruned(store.folder).records)
    except Unreadable as error:
        found = f"{store.folder / 'pruned.json'} {error.found}"
        raise Refusal(found, "the list of what was pruned before", error.remedy) from None
