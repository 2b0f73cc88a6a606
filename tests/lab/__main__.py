"""The lab's command line: `python -m tests.lab up|down|reset|status|ssh`."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Sequence

from tests.lab import report
from tests.lab.lab import DEFAULT_APPS, DEFAULT_NAME, DEFAULT_SUBNET, Lab, known_labs
from tests.lab.shell import LabError
from tests.lab.size import DEFAULT_SIZES, parse_sizes


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; exit code 0, 1 for an error (one line) and 130 for Ctrl-C."""
    options = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = options.run
    try:
        code = command(options)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        # The reader has seen enough; Python's own flush at exit must not complain again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (LabError, OSError) as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def up(options: argparse.Namespace) -> int:
    """Bring a lab up, or say that it is."""
    sizes = parse_sizes(options.size)
    lab = Lab(options.name, options.subnet, options.apps, sizes, say=_progress())
    changed = lab.up()
    print(f"the lab {lab.name} is {'up' if changed else 'up already'}\n\n{report.table(lab)}")
    return 0


def down(options: argparse.Namespace) -> int:
    """Take a lab down, or all of this project's."""
    for name in known_labs() if options.all else [options.name]:
        Lab(name).down()
        print(f"the lab {name} is down")
    return 0


def reset(options: argparse.Namespace) -> int:
    """Give the machines fresh disks."""
    lab = Lab.saved(options.name, say=_progress())
    lab.reset()
    print(f"the lab {lab.name} has fresh machines\n\n{report.table(lab)}")
    return 0


def status(options: argparse.Namespace) -> int:
    """Say what runs; exit code 0 whether or not it does."""
    try:
        lab = Lab.saved(options.name)
    except LabError as error:
        print(json.dumps(report.absent(options.name), indent=2) if options.json else error)
        return 0
    print(json.dumps(report.status(lab), indent=2) if options.json else report.table(lab))
    return 0


def ssh(options: argparse.Namespace) -> int:
    """Become an `ssh` to a machine; does not return."""
    options = _take_leading(options)
    lab = Lab.saved(options.name)
    machine = lab.machine(options.machine)
    command = [*lab.login.command(machine.address, options.user), *options.command]
    os.execvp(command[0], command)


def _take_leading(options: argparse.Namespace) -> argparse.Namespace:
    """Take `--name` and `--user` off the remote command: argparse leaves all after the machine."""
    taken = argparse.Namespace(**vars(options))
    while len(taken.command) >= 2 and taken.command[0] in ("--name", "--user"):
        option, value, *taken.command = taken.command
        setattr(taken, option.removeprefix("--"), value)
    return taken


def _progress() -> Callable[[str], None]:
    started = time.monotonic()
    return lambda text: print(f"[{time.monotonic() - started:5.1f} s] {text}", flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.lab", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(run: Callable[[argparse.Namespace], int]) -> argparse.ArgumentParser:
        sub = commands.add_parser(run.__name__, help=run.__doc__, description=run.__doc__)
        sub.add_argument("--name", default=DEFAULT_NAME, help="the lab (default: %(default)s)")
        sub.set_defaults(run=run)
        return sub

    defaults = ", ".join(f"{role}={size}" for role, size in DEFAULT_SIZES.items())
    upper = add(up)
    upper.add_argument("--subnet", default=DEFAULT_SUBNET, help="default: %(default)s")
    upper.add_argument("--apps", type=int, default=DEFAULT_APPS, help="vpsmanagers (default: 1)")
    upper.add_argument(
        "--size",
        action="append",
        default=[],
        metavar="NAME=vCPUSxMIB",
        help=f"of a role or a machine; repeatable (default: {defaults})",
    )
    add(down).add_argument("--all", action="store_true", help="every lab of this project")
    add(reset)
    add(status).add_argument("--json", action="store_true", help="for programs")
    shell = add(ssh)
    shell.add_argument("--user", default="root", help="root, deploy or admin (default: root)")
    shell.add_argument("machine")
    shell.add_argument("command", nargs=argparse.REMAINDER)
    return parser


if __name__ == "__main__":
    sys.exit(main())
