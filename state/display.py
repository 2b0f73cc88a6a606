"""What shows a run while it goes on: a view on a terminal, else one line after the other."""

import os
import sys
from collections.abc import Mapping, Sequence

from state.ci_output import system_of
from state.lanes import Lane
from state.live import Live
from state.plain import Plain
from state.scrubbing import Scrubber


def display_of(
    lanes: Sequence[Lane],
    verbosity: int,
    scrubber: Scrubber,
    environ: Mapping[str, str] = os.environ,
) -> Live | Plain:
    """The one for where standard error leads to; with ``-v`` everything stays in its order."""
    is_terminal = sys.stderr.isatty() and environ.get("TERM", "dumb") != "dumb"
    if is_terminal and not verbosity and not system_of(environ):
        return Live(lanes, scrubber)
    return Plain(lanes, every_operation=verbosity > 0)
