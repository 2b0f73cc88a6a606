"""What a program on a host tells of itself."""

import json
from typing import Any

from pyinfra.api import FactBase, StringCommand

from facts.text import in_lines

# No application has so much to tell; to read JSON takes thirty times the memory.
LONGEST = 100_000


class Report(FactBase[list[dict[str, Any]]]):
    """The JSON objects that a read-only command prints, one on a line; others are passed over.

    No text in them has a line break or a control character.
    """

    default = list

    # A command: it is never kept, nor asked again from a file.
    command_arguments = ("shell",)

    def command(self, shell: str) -> StringCommand:
        return StringCommand(f"{{ {shell}; }} 2>/dev/null; true")

    def process(self, output: list[str]) -> list[dict[str, Any]]:
        found = []
        for line in output:
            if len(line) > LONGEST:
                continue
            try:
                item = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(item, dict):
                found.append(in_lines(item))
        return found
