"""Take the oldest records away.

Those that are open, that cannot be read, and the current one stay. What they created is still
known to be ours, and the history can still be verified: pruned.json keeps what that needs.

--json: {"removed": [ID, …], "kept": {ID: why}, "freed_bytes": their size}.
"""

import argparse

from state.commands import terminal, words
from state.commands.alone import alone
from state.pruning import prune
from state.reading import Unreadable
from state.refusing import Refusal
from state.store import Store

HELP = "take the oldest records away"


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument(
        "--keep", type=_positive, metavar="N", required=True, help="how many of the newest stay"
    )


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no whole number of 1 or more; the newest record always stays"
        )
    return int(text)


def run(chosen: argparse.Namespace, store: Store) -> int:
    """Prune, and say what is gone."""
    if store.signing.exists:
        # The list of what is gone is signed, too.
        from state import record_key

        store.key = record_key.required()
    try:
        with alone(store, "prune"):
            done = prune(store, chosen.keep)
    except Unreadable as error:
        found = f"{store.folder / 'pruned.json'} {error.found}"
        raise Refusal(found, "the list of what was pruned before", error.remedy) from None
    if chosen.json:
        terminal.document({"removed": done.removed, "kept": done.kept, "freed_bytes": done.freed})
        return 0
    for deployment_id, why in done.kept.items():
        terminal.say(f"{deployment_id} stays: {why}")
    if done.removed:
        first, last = done.removed[0], done.removed[-1]
        records = words.count(len(done.removed), "record")
        span = first if first == last else f"{first} to {last}"
        terminal.say(f"removed {records}, {words.size(done.freed)}: {span}")
    else:
        terminal.say("nothing to remove")
    return 0
