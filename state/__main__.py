"""``python -m state schema [--write]``: the JSON Schema of a record."""

import argparse
import json
from pathlib import Path

from state.record import json_schema

FILE = Path(__file__).with_name("record.schema.json")


def schema_text() -> str:
    """The schema as its file holds it."""
    return json.dumps(json_schema(), indent=2) + "\n"


def main() -> None:
    """Print the schema, or write it to its file."""
    parser = argparse.ArgumentParser(prog="python -m state", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    schema = commands.add_parser("schema", help="the JSON Schema of a record")
    schema.add_argument("--write", action="store_true", help=f"to {FILE.name} instead")
    if parser.parse_args().write:
        FILE.write_text(schema_text())
    else:
        print(schema_text(), end="")


if __name__ == "__main__":
    main()
