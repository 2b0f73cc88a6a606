"""One run of a command, measured."""

import os
import resource
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Measured:
    """Wall time in seconds, the most memory that the command itself held, in MB, and the
    processor's time that it and its children took, in seconds: of one command at a time.
    """

    seconds: float
    peak_mb: float
    cpu_s: float


def measure(
    command: Sequence[str],
    log: Path,
    environment: Mapping[str, str],
    folder: Path | None = None,
    stdin: Path = Path(os.devnull),
) -> Measured:
    """Run ``command`` to its end, its output to ``log``. Raises RuntimeError when it fails.

    ``environment``: on top of ours. ``folder``: where it runs, if not here. ``stdin``: the
    file that it reads.
    """
    started, cpu_before = time.monotonic(), _children_s()
    with log.open("w") as output, stdin.open() as given:
        process = subprocess.Popen(
            list(command),
            cwd=folder,
            stdin=given,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **environment},
        )
        peak_kb = 0
        while process.poll() is None:
            peak_kb = max(peak_kb, _peak_kb(process.pid))
            time.sleep(0.01)
    seconds = time.monotonic() - started
    if process.returncode != 0:
        tail = "\n".join(log.read_text().splitlines()[-20:])
        raise RuntimeError(f"{' '.join(command)} failed:\n{tail}")
    return Measured(seconds, peak_kb / 1024, _children_s() - cpu_before)


def _children_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _peak_kb(pid: int) -> int:
    """What a process held at most since it became this command: its parent's is not counted."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    found = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(found[0]) if found else 0


def machine() -> str:
    """The computer that measured: its processors, memory and kernel."""
    uname = os.uname()
    memory_mb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    return f"{os.cpu_count()} CPUs, {memory_mb} MB, Linux {uname.release} {uname.machine}"
