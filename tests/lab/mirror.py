"""A plain web server for files: what stands in for sites that the lab cannot reach."""

from __future__ import annotations

import os
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from tests.lab import paths, process
from tests.lab.cgroup import Cgroup
from tests.lab.process import Process
from tests.lab.shell import LabError

PORT = 8066


def folder() -> Path:
    """What it serves; every lab's mirror serves the same."""
    return paths.cache() / "mirror"


def url(address: str) -> str:
    """Where it answers."""
    return f"http://{address}:{PORT}"


def start(address: str, cgroup: Cgroup, log: Path, limit: float = 10) -> Process:
    """Start it in the background, and wait until it answers.

    Raises:
        LabError: It does not answer within `limit` seconds; with its last words.
    """
    log.unlink(missing_ok=True)
    server = process.start(
        [
            *(sys.executable, "-I", "-u", "-m", "http.server", str(PORT)),
            *("--bind", address, "--directory", str(folder())),
        ],
        cgroup=cgroup.create(),
        log=log,
        env={"PATH": os.defpath},
    )
    deadline = time.monotonic() + limit
    while server.alive() and time.monotonic() < deadline:
        if _answers(url(address)):
            return server
        time.sleep(0.05)
    raise LabError(f"the mirror {url(address)} does not answer: {log.read_text()[-500:].strip()}")


def _answers(address: str) -> bool:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(address, timeout=2):
            return True
    except (urllib.error.URLError, OSError):
        return False
