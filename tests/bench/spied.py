"""pyinfra's command, whose operations' commands are written down: ``python -m tests.bench.spied``.

BENCH_COMMANDS: a folder, which gets a shell script for each target: what a first deploy did there,
as somebody would do it who is logged in as root and knows all of it beforehand.
"""

import os
import shlex
from pathlib import Path
from typing import Any

from pyinfra.api import StringCommand
from pyinfra_cli.main import cli

from state.breath import Breath

_folder = Path(os.environ["BENCH_COMMANDS"])
_run = Breath.run_shell_command


def _noted(self: Breath, command: StringCommand, *more: Any, **arguments: Any) -> Any:
    """Run it; write it down if it is not a fact's."""
    if self.host.in_op and getattr(self._asking, "fact", None) is None:
        line = f"sh -c {shlex.quote(command.get_raw_value())}"
        stdin = arguments.get("_stdin")
        line = f"printf '%s\\n' {shlex.quote(stdin)} | {line}" if stdin else f"{line} </dev/null"
        script = _folder / f"{self.host.name}.sh"
        script.touch(mode=0o600)
        with script.open("a") as file:
            file.write(f"{line} || exit 1\n")
    return _run(self, command, *more, **arguments)


setattr(Breath, "run_shell_command", _noted)  # noqa: B010
cli()
