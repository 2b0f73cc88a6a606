"""The JSON Schema of a record."""

import argparse
import json
from pathlib import Path

from state.record import json_schema
from state.store import Store

HELP = "the JSON Schema of a record"
FILE = Path(__file__).parent.parent / "record.schema.json"


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("--write", action="store_true", help=f"to {FILE.name} instead")


def text() -> str:
    """The schema as its file holds it."""
    return json.dumps(json_schema(), indent=2) + "\n"


def run(chosen: argparse.Namespace, store: Store) -> int:
    """Print the schema, or write it to its file."""
    if chosen.write:
        FILE.write_text(text())
    else:
        print(text(), end="")
    return 0
