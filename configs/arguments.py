"""The command line of `python -m configs`; kept apart, so that it imports no command's code."""

import argparse


def parser() -> argparse.ArgumentParser:
    """All commands with their options."""
    whole = argparse.ArgumentParser(prog="python -m configs")
    commands = whole.add_subparsers(dest="command", required=True)
    check = commands.add_parser("check", help="check the settings, without any connection")
    schema = commands.add_parser("schema", help="print the inventory's JSON Schema")
    schema.add_argument("--write", action="store_true", help="write it to inventory.schema.json")
    show = commands.add_parser("show", help="every setting in force, and where it is written")
    show.add_argument("target", metavar="TARGET", nargs="?", help="this target alone")
    show.add_argument("--json", action="store_true")
    for command in (check, show):
        command.add_argument(
            "--data", metavar="KEY=VALUE", action="append", default=[], help="as pyinfra's --data"
        )
    return whole
