"""One run of pyinfra's command line: without a terminal, its output kept whole."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PYINFRA = Path(sys.executable).with_name("pyinfra")
SHOWN_LINES = 60


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    arguments: Sequence[str]
    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        """All that it printed."""
        return self.out + self.err

    @property
    def json(self) -> Any:
        """Its standard output, which must be nothing but JSON."""
        return json.loads(self.out)

    def __repr__(self) -> str:
        shown = "\n".join(self.text.splitlines()[-SHOWN_LINES:])
        return f"exit code {self.code} of pyinfra {' '.join(self.arguments)}\n{shown}"


class Command:
    """A started command, the leader of a process group of its own."""

    def __init__(self, arguments: Sequence[str], folder: Path, env: Mapping[str, str]) -> None:
        self.arguments = arguments
        self._out, self._err = folder / ".stdout", folder / ".stderr"
        with self._out.open("w") as out, self._err.open("w") as err:
            self._process = subprocess.Popen(
                [str(PYINFRA), *arguments],
                cwd=folder,
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )

    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.poll() is None

    def printed(self) -> str:
        """What it has printed so far."""
        return self._out.read_text() + self._err.read_text()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process, as ``kill`` would."""
        self._process.send_signal(number)

    def kill(self) -> None:
        """End its whole process group at once, unless it has ended; nothing of it can tidy up."""
        if self.running():
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def wait(self, timeout_s: float) -> Outcome:
        """Wait for its end. A traceback in its output, or no end in time, is a failure."""
        try:
            code = self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"no end within {timeout_s:g} s: {self._outcome(-9)}") from None
        finally:
            self.kill()
        outcome = self._outcome(code)
        assert "Traceback" not in outcome.text, outcome
        return outcome

    def _outcome(self, code: int) -> Outcome:
        return Outcome(self.arguments, code, self._out.read_text(), self._err.read_text())
