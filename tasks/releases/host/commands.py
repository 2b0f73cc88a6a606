"""Commands of a release: as the application's user or as root, with their last words kept."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from .app import App

LINES = 40
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
LIMIT_S = 1800


class Failed(Exception):
    """A step that did not succeed, and the end of what it printed.

    dump: of the database, where one was made before it.
    """

    dump = ""

    def __init__(self, step: str, output: str) -> None:
        super().__init__(f"the step {step} failed")
        self.step = step
        self.output = output.strip().splitlines()[-LINES:]


def run(
    step: str,
    command: Sequence[str],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    user: str | None = None,
    limit_s: int = LIMIT_S,
) -> str:
    """What a command printed, its errors included.

    user: who runs it, with that group alone; without one root. Raises Failed, also when it takes
    longer than ``limit_s`` seconds.
    """
    identity = {"user": user, "group": user, "extra_groups": []} if user else {}
    try:
        done = subprocess.run(  # type: ignore[call-overload]
            list(command),
            cwd=cwd,
            env={"PATH": PATH, "LANG": "C.UTF-8", **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=limit_s,
            umask=0o022,
            **identity,
        )
    except subprocess.TimeoutExpired as error:
        said = (error.output or b"").decode(errors="replace")
        raise Failed(step, f"{said}\nnot done within {limit_s} s") from None
    except OSError as error:
        raise Failed(step, str(error)) from None
    output: str = done.stdout.decode(errors="replace")
    if done.returncode:
        raise Failed(step, f"{output}\n{' '.join(command[:4])}: exit code {done.returncode}")
    return output


def artisan(app: App, release: Path, step: str, *arguments: str) -> str:
    """What artisan of a release printed."""
    return run(
        step,
        [app.php, "artisan", *arguments, "--no-interaction", "--no-ansi"],
        cwd=release,
        env={"HOME": str(app.cache), "VIEW_COMPILED_PATH": str(app.views / release.name)},
        user=app.owner,
    )
