"""``python3 -m log_checkpoint COMMAND``: what the units of the shipper and of the checkpoint run.

``run``: move the checkpoint on for ever. ``restore``: before the shipper starts. ``stopping``:
before it is told to stop. ``stopped``: after it ended, for whatever reason.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from functools import partial
from pathlib import Path

from . import checkpoint, delivery, metrics, stopping
from .settings import Settings

SETTINGS = Path("/etc/chom/logs/checkpoint.json")
# Between two looks at the log files, and between two attempts to move the checkpoint on.
PAUSE_S = 3.0


def main(arguments: list[str]) -> int:
    """Run a command.

    Only ``run`` fails: whatever is wrong with a checkpoint, the shipper starts and stops.
    """
    os.umask(0o077)
    try:
        (command,) = arguments
        settings = Settings.read(SETTINGS)
        if command == "run":
            return run(settings)
        with checkpoint.locked(settings):
            _act(command, settings)
    except (OSError, ValueError, EOFError) as error:
        print(f"log_checkpoint {' '.join(arguments)}: {error}", file=sys.stderr)
        return 1 if arguments == ["run"] else 0
    return 0


def run(settings: Settings) -> int:
    """Move the checkpoint on until the unit is stopped."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    fetch, stability, problem = fetcher(settings), delivery.Stability(), ""
    while True:
        try:
            advance(settings, fetch, stability)
            found = ""
        except (metrics.Unreadable, OSError, ValueError) as error:
            found = str(error)
        if found != problem:
            print(f"the checkpoint stays: {found}" if found else "the checkpoint moves on again")
            sys.stdout.flush()
            problem = found
        time.sleep(PAUSE_S)


def advance(
    settings: Settings, fetch: partial[metrics.Page], stability: delivery.Stability
) -> bool:
    """Make the present positions the checkpoint, once Loki has everything up to them."""
    taken = checkpoint.take(settings)
    if not taken.texts or not stability.is_stable(taken) or not delivery.is_delivered(fetch):
        return False
    with checkpoint.locked(settings):
        latest = checkpoint.load(settings)
        # The shipper may have stopped cleanly meanwhile, which gives a later one.
        if latest is None or latest.taken < taken.taken:
            checkpoint.save(taken, settings)
    return True


def fetcher(settings: Settings) -> partial[metrics.Page]:
    """A function that gets the shipper's metrics page."""
    return partial(metrics.fetch, settings.metrics_url, settings.metrics_prefix, settings.hosts)


def _act(command: str, settings: Settings) -> None:
    if command == "restore":
        checkpoint.restore(settings, print)
    elif command == "stopping":
        stopping.before(settings, fetcher(settings))
    elif command == "stopped":
        stopping.after(settings)
    else:
        raise ValueError("the commands are run, restore, stopping and stopped")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
