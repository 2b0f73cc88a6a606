"""What the commands that ask the targets themselves have in common: how they get there."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches

from gevent import monkey
from pyinfra.api import Host

import configs
from state import sudo
from state.reaching import Unreachable, reached
from state.refusing import Refusal


@contextmanager
def targets(names: Sequence[str]) -> Iterator[tuple[list[Host], list[Unreachable]]]:
    """Connect to these targets of the inventory, or to all, at once. Raises Refusal."""
    monkey.patch_all()
    try:
        known = configs.load().targets
        chosen = [known[name] for name in names] if names else list(known.values())
        passwords = sudo.find_passwords(chosen, os.environ)
    except KeyError as error:
        raise _unknown(error.args[0], list(known)) from None
    except (configs.ConfigurationError, sudo.NoPassword) as problem:
        expected = "settings that tell how targets are reached"
        raise Refusal(str(problem), expected, "correct them") from None
    with reached(chosen, passwords) as found:
        yield found


def _unknown(name: str, known: Sequence[str]) -> Refusal:
    near = get_close_matches(name, known, n=1)
    remedy = f"did you mean {near[0]}?" if near else "name one of these"
    return Refusal(f"the target {name!r}", f"one of the inventory: {', '.join(known)}", remedy)
