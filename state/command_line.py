"""The history of deployments: what was done, by whom, what is ours, and whether it is true.

It reads .deploy-state of this project. Only `sync`, `unlock` and `accept --from` connect to
targets.
"""

import argparse
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from configs.paths import PROJECT
from state.commands import (
    accept,
    diff,
    history,
    prune,
    resources,
    schema,
    show,
    sync,
    unlock,
    verify,
)
from state.refusing import Refusal
from state.store import FOLDER, Store

# By the name that they are called by. What takes long to import is imported by `run`.
COMMANDS = {
    "history": history,
    "show": show,
    "diff": diff,
    "resources": resources,
    "verify": verify,
    "prune": prune,
    "accept": accept,
    "sync": sync,
    "unlock": unlock,
    "schema": schema,
}


def parser() -> argparse.ArgumentParser:
    """All commands with their options."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--json", action="store_true", help="for programs, on standard output")
    common.add_argument(
        "--folder",
        type=Path,
        metavar="DIR",
        default=PROJECT / FOLDER,
        help=f"another {FOLDER} than that of this project",
    )
    whole = argparse.ArgumentParser(prog="python -m state", description=__doc__)
    commands = whole.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, command in COMMANDS.items():
        one = commands.add_parser(
            name,
            help=command.HELP,
            description=command.__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            parents=[common],
        )
        command.arguments(one)
        one.set_defaults(run=command.run)
    return whole


def _store(chosen: argparse.Namespace) -> Store:
    """The folder of records, with the key that the command needs or can use. Raises Refusal."""
    store = Store(chosen.folder)
    command = COMMANDS[chosen.command]
    needs, reads = (getattr(command, name, False) for name in ("NEEDS_KEY", "READS_RECORDS"))
    if needs or (reads and store.signing.exists):
        # It takes long to import.
        from state import record_key

        if needs:
            store.key = record_key.required()
        else:
            store.key, store.without_key = record_key.load()
    return store


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0, 1 with a problem or a refusal, 2 for a wrong call, 130 after Ctrl-C."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal of another age has no arrows
    chosen = parser().parse_args(arguments)
    try:
        code: int = chosen.run(chosen, _store(chosen))
        sys.stdout.flush()
        return code
    except Refusal as refusal:
        print(refusal, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read it has enough; Python would complain of that once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        found = f"{error.filename or chosen.folder}: {(error.strerror or str(error)).lower()}"
        remedy = "correct that and run it again; no record is lost by it"
        print(Refusal(found, "a folder that you can read and write", remedy), file=sys.stderr)
        return 1
