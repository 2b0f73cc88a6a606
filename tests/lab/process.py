"""A background process that can be recognised later, even after its number was given away."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from subprocess import DEVNULL, STDOUT, Popen

from tests.lab.cgroup import Cgroup


@dataclass(frozen=True)
class Process:
    """A process by its number and its start time (clock ticks since boot, from the kernel)."""

    pid: int
    started: int

    @classmethod
    def of(cls, pid: int) -> Process:
        """The process that has this number now; `started` is 0 when there is none."""
        return cls(pid, start_time(pid) or 0)

    def alive(self) -> bool:
        """Whether this very process runs; another one with its number does not count."""
        with suppress(ChildProcessError):
            os.waitpid(self.pid, os.WNOHANG)
        return self.started != 0 and start_time(self.pid) == self.started

    def terminate(self, limit: float) -> bool:
        """Ask it to end; whether it did within `limit` seconds."""
        if not self.alive():
            return True
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGTERM)
        deadline = time.monotonic() + limit
        while self.alive():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True


def start_time(pid: int, proc: Path = Path("/proc")) -> int | None:
    """When the process started, in clock ticks since boot; None when it does not run."""
    try:
        stat = (proc / str(pid) / "stat").read_text()
    except OSError:
        return None
    # The program's name is in brackets and may itself hold spaces and brackets.
    fields = stat.rpartition(")")[2].split()
    state, started = fields[0], int(fields[19])
    return None if state in "ZX" else started


def start(command: Sequence[str], *, cgroup: Cgroup, log: Path, env: dict[str, str]) -> Process:
    """Start a program that outlives this one, inside `cgroup`, with its output in `log`.

    It joins the cgroup before it becomes the program, so that no child of it can escape.
    """
    joined = ["sh", "-c", 'echo $$ >"$0" && exec "$@"', str(cgroup.procs), *command]
    with log.open("ab") as output:
        child = Popen(
            joined, stdin=DEVNULL, stdout=output, stderr=STDOUT, start_new_session=True, env=env
        )
    # A running child is no reason for Python to warn when its handle is let go.
    child.returncode = 0
    return Process.of(child.pid)
