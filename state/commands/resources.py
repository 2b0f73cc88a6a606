"""What is ours on each target: all that the records say we created, less what we took away.

Data is what a teardown keeps unless it is told to purge.

--json: {"targets": {NAME: [{"kind", "name", "components", "since", "data"}, …]}}, in the order of
creation. "since": the deployment that created it. "components": those it was created for; of old
records they are not known.
"""

import argparse
from dataclasses import asdict

from state.commands import terminal, words
from state.commands.terminal import say
from state.owned import Owned, add_up, concerning, present_names
from state.refusing import Refusal
from state.store import Store

READS_RECORDS = True
HELP = "what is ours on each target"
DATA = ("data", "databases", "remains")


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("target", metavar="TARGET", nargs="?", help="this target alone")


def run(chosen: argparse.Namespace, store: Store) -> int:
    """Print what is ours. Raises Refusal for a target that nothing is known of."""
    history = list(store.effects().items())
    known = dict.fromkeys(name for _, each in history for name in each)
    if chosen.target is not None and chosen.target not in known:
        raise Refusal(
            f"nothing that is ours on a target {chosen.target}",
            f"one of: {', '.join(known)}" if known else "a deployment that created something",
            "name one of these, or none for all" if known else "deploy first",
        )
    names = [chosen.target] if chosen.target is not None else present_names(history)
    found = {name: add_up(concerning(history, name)) for name in names}
    if chosen.json:
        targets = {name: [_data(each) for each in owned] for name, owned in found.items()}
        terminal.document({"targets": targets})
        return 0
    terminal.say_unverified(store)
    if not any(found.values()):
        say("Nothing is ours: no deployment created anything that is still there.")
    for name, owned in found.items():
        if owned:
            _print(name, owned)
    return 0


def _print(name: str, owned: list[Owned]) -> None:
    say(f"{name}: {words.count(len(owned), 'resource')}")
    by_component: dict[str, list[Owned]] = {}
    for each in owned:
        by_component.setdefault(", ".join(each.components) or "not known", []).append(each)
    for component, resources in by_component.items():
        say(component, indent=1)
        for each in resources:
            data = " (data)" if each.kind in DATA else ""
            say(f"{each.kind} {each.name}{data}, since {each.since}", indent=2)


def _data(each: Owned) -> dict[str, object]:
    return {**asdict(each), "components": list(each.components), "data": each.kind in DATA}
