"""Which versions are installed."""

import shlex
from collections.abc import Mapping

from pyinfra.api import FactBase, StringCommand


class Versions(FactBase[dict[str, str]]):
    """Run one command per name, each printing an installed version, in one go.

    A name whose command fails or prints nothing is left out.
    """

    default = dict

    def command(self, commands: Mapping[str, str]) -> StringCommand:
        parts = [
            f"v=$({{ {command}; }} 2>/dev/null | head -n 1);"
            f' [ -z "$v" ] || printf \'%s=%s\\n\' {shlex.quote(name)} "$v"'
            for name, command in commands.items()
        ]
        return StringCommand("; ".join([*parts, "true"]))

    def process(self, output: list[str]) -> dict[str, str]:
        return dict(line.split("=", 1) for line in output if "=" in line)
