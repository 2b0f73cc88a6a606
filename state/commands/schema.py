"""The JSON Schema of a record, or of a plan."""

import argparse
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from state import plan, record
from state.store import Store

HELP = "the JSON Schema of a record, or of a plan"
FOLDER = Path(__file__).parent.parent
SCHEMAS: Mapping[str, Callable[[], dict[str, Any]]] = {
    "record": record.json_schema,
    "plan": plan.json_schema,
}


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("of", nargs="?", choices=list(SCHEMAS), default="record")
    parser.add_argument("--write", action="store_true", help="all of them to their files instead")


def file_of(name: str) -> Path:
    """Where a schema is published."""
    return FOLDER / f"{name}.schema.json"


def text_of(name: str) -> str:
    """A schema as its file holds it."""
    return json.dumps(SCHEMAS[name](), indent=2) + "\n"


def run(chosen: argparse.Namespace, store: Store) -> int:
    """Print the schema, or write all to their files."""
    if chosen.write:
        for name in SCHEMAS:
            file_of(name).write_text(text_of(name))
    else:
        print(text_of(chosen.of), end="")
    return 0
