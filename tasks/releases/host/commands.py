"""Run the commands of a release: as root, or as a user of the application in its sandbox."""

import itertools
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from .app import App, Confinement

LINES = 40
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
LIMIT_S = 1800
# Whatever an application prints, root keeps no more than the end of it.
_KEEP_END = ("bash", "-o", "pipefail", "-c", '"$@" 2>&1 | tail -c 1000000', "keep-end")
_numbers = itertools.count(1)


class Failed(Exception):
    """A step that did not succeed, and the end of what it printed.

    dump: of the database, where one was made before it.
    """

    dump = ""

    def __init__(self, step: str, output: str) -> None:
        super().__init__(f"the step {step} failed")
        self.step = step
        self.output = output.strip().splitlines()[-LINES:]


class TimedOut(Failed):
    """A step that was not done in time."""


def run(
    step: str,
    command: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    stdin: bytes | None = None,
    timeout_s: int = LIMIT_S,
    shown: Sequence[str] = (),
) -> str:
    """Run a command as root and return what it printed, its errors included.

    + stdin: what it reads; without it nothing
    + shown: the command's name in messages, if another one runs it

    Raises Failed, and TimedOut if it takes longer than ``timeout_s`` seconds.
    """
    try:
        done = subprocess.run(
            list(command),
            env={"PATH": PATH, "LANG": "C.UTF-8", **(env or {})},
            input=stdin or b"",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout_s,
            umask=0o022,
        )
    except subprocess.TimeoutExpired as error:
        said = (error.output or b"").decode(errors="replace")
        raise TimedOut(step, f"{said}\nnot done within {timeout_s} s") from None
    except OSError as error:
        raise Failed(step, str(error)) from None
    output = done.stdout.decode(errors="replace")
    if done.returncode:
        name = " ".join((shown or command)[:4])
        raise Failed(step, f"{output}\n{name}: exit code {done.returncode}")
    return output


def run_confined(
    step: str,
    app: App,
    who: Confinement,
    command: Sequence[str],
    *,
    cwd: Path = Path("/"),
    env: Mapping[str, str] | None = None,
    writes: Sequence[Path] = (),
    binds: Mapping[Path, Path] | None = None,
    credentials: Mapping[str, str] | None = None,
    stdin: bytes | None = None,
    timeout_s: int = LIMIT_S,
) -> str:
    """Run a command that comes with an application as its user, in a sandbox; what it printed.

    + writes: folders that it may change beside those of its confinement
    + binds: where it sees other folders in place of its own, and may change them
    + credentials: files of root's by the name under which it finds them in
      ``$CREDENTIALS_DIRECTORY``

    Raises Failed. When it returns, nothing of the command runs any more.
    """
    unit = f"{_units(app)}{os.getpid()}-{next(_numbers)}.service"
    properties = [
        *who.properties,
        # Should this program be killed, systemd ends the command.
        f"RuntimeMaxSec={timeout_s + 10}",
        *(f"ReadWritePaths={path}" for path in writes),
        *(f"BindPaths={there}:{here}" for here, there in (binds or {}).items()),
        *(f"LoadCredential={name}:{path}" for name, path in (credentials or {}).items()),
    ]
    whole = confined_command(unit, properties, command, cwd, {"PATH": PATH, **(env or {})})
    try:
        return run(step, whole, stdin=stdin, timeout_s=timeout_s, shown=command)
    except TimedOut:
        run(step, ["systemctl", "stop", unit])
        raise


def confined_command(
    unit: str, properties: Sequence[str], command: Sequence[str], cwd: Path, env: Mapping[str, str]
) -> list[str]:
    """The command line that runs ``command`` as a transient unit of systemd."""
    return [
        *_KEEP_END,
        *("systemd-run", "--quiet", "--pipe", "--wait", "--collect", f"--unit={unit}"),
        *(f"--property={each}" for each in properties),
        *(f"--setenv={name}={value}" for name, value in env.items()),
        f"--working-directory={cwd}",
        "--",
        *command,
    ]


def stop_leftovers(app: App) -> None:
    """End what a run of this program that was killed has left running. Raises Failed.

    Root may work in a release only when nothing of its build user's runs any more.
    """
    run("leftovers", ["systemctl", "stop", f"{_units(app)}*.service"])


def _units(app: App) -> str:
    # An application's name has no dash, so this is the beginning of no other one's units.
    return f"chom-release-{app.name}-"


def artisan(
    app: App,
    who: Confinement,
    release: Path,
    *arguments: str,
    writes: Sequence[Path] = (),
    binds: Mapping[Path, Path] | None = None,
) -> str:
    """Run an artisan command of a release, which names the step; what it printed."""
    return run_confined(
        arguments[0],
        app,
        who,
        [app.php, "artisan", *arguments, "--no-interaction", "--no-ansi"],
        cwd=release,
        env={"HOME": "/tmp", "VIEW_COMPILED_PATH": str(app.views / release.name)},
        writes=writes,
        binds=binds,
    )
