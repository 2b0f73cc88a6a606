"""Take the lock on a target from whoever holds it, and say what that breaks.

Nobody needs this after a crash: a lock ends with the connection of its holder, or a minute after
nothing was heard of it. It is for a deploy that hangs, or that nobody is at the keyboard of.

--json: {"target", "held": true or false, "holder": who it was, or null}.
"""

import argparse
from dataclasses import asdict

from state.commands import terminal
from state.refusing import Refusal
from state.store import Store

HELP = "take the lock on a target from whoever holds it"


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("target", metavar="TARGET", help="a target of the inventory")


def run(chosen: argparse.Namespace, store: Store) -> int:
    """Unlock, and say who does no more there."""
    # They take long to import.
    from configs.paths import PROJECT
    from state.commands import remote
    from state.deployer import identify
    from state.target_lock import NoAnswer, rob

    with remote.targets([chosen.target]) as (hosts, failed):
        for each in failed:
            raise Refusal(f"{each.target}: {each.message}", "a target that answers", each.remedy)
        [host] = hosts
        deployer = identify(PROJECT, host.data.ssh_hostname)
        try:
            held, holder = rob(host, f"{deployer.user}@{deployer.hostname}")
        except NoAnswer as problem:
            raise Refusal(str(problem), "an answer", problem.remedy) from None
    if chosen.json:
        terminal.document(
            {"target": chosen.target, "held": held, "holder": asdict(holder) if holder else None}
        )
        return 0
    if not held:
        terminal.say(f"nobody holds {chosen.target}: there was nothing to take", "green")
        return 0
    terminal.say(f"{chosen.target} was held by {holder or 'somebody who had not said who it is'}")
    terminal.say(
        "It is free now. What that run has under way there goes on to its end; its next operation"
        " there is refused, and its record says so. Deploy again: nothing has to be cleaned up."
    )
    return 0
