"""`python -m configs check` and `python -m configs schema [--write]`; connects to nothing."""

import argparse
import sys
from collections.abc import Sequence

from configs.loader import load
from configs.problems import ConfigurationError


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0, or 1 with problems in the settings."""
    parser = argparse.ArgumentParser(prog="python -m configs")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("check", help="check the settings, without any connection")
    schema = commands.add_parser("schema", help="print the inventory's JSON Schema")
    schema.add_argument("--write", action="store_true", help="write it to inventory.schema.json")
    chosen = parser.parse_args(arguments)
    return _check() if chosen.command == "check" else _schema(write=chosen.write)


def _check() -> int:
    try:
        load()
    except ConfigurationError as error:
        print(error)
        return 1
    print("ok")
    return 0


def _schema(*, write: bool) -> int:
    from configs import json_schema

    if write:
        json_schema.PUBLISHED.write_text(json_schema.text(), encoding="utf-8")
    else:
        print(json_schema.text(), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
