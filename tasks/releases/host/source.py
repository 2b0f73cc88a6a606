"""Where the files of a release come from: a git repository, or whoever deploys."""

import base64
import shlex
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .app import App
from .build import CONTENTS
from .commands import Failed, run_confined

STEP = "fetch"
_CHECK_OUT = ("bash", str(Path(__file__).with_name("check_out.sh")))
_COMPARE = ("bash", str(Path(__file__).with_name("compare.sh")))
# Whoever reads a plan waits for it.
_COMPARE_TIMEOUT_S = 60
_GIT = {"GIT_TERMINAL_PROMPT": "0", "HOME": "/nonexistent"}


def wanted(app: App) -> str:
    """The revision that is to be live: a commit, or the hash of the files that are handed over.

    Raises Failed where the repository does not tell.
    """
    if app.revision:
        return app.revision
    refs = [f"refs/heads/{app.branch}", f"refs/tags/{app.branch}^{{}}", f"refs/tags/{app.branch}"]
    told = _git(app, ["git", "ls-remote", "--", str(app.repository), *refs])
    found = {ref: commit for commit, ref in _pairs(told)}
    for ref in refs:
        if ref in found:
            return found[ref]
    raise Failed(STEP, f"{app.repository} has no branch and no tag {app.branch}")


@dataclass(frozen=True)
class Comparison:
    """From one revision to another: how many commits come and go, None where one is not known.

    subjects: of the newest commits that come; migrations: the files of the new revision.
    """

    coming: int | None
    leaving: int | None
    subjects: Sequence[str]
    migrations: Sequence[str]


def compare(app: App, old: str, new: str) -> Comparison:
    """Compare two revisions; fetches what is missing to a place that is gone afterwards.

    Raises Failed where the repository does not answer.
    """
    command = [*_COMPARE, str(app.mirror), str(app.repository), old, new]
    said = _git(app, command, writes=[], timeout_s=_COMPARE_TIMEOUT_S)
    told: dict[str, list[str]] = {"count": [], "subject": [], "migration": []}
    for line in said.split("\n"):
        kind, _, text = line.partition(" ")
        told.get(kind, []).append(text)
    coming, leaving = (map(int, told["count"][0].split())) if told["count"] else (None, None)
    return Comparison(coming, leaving, told["subject"], told["migration"])


def unpack(app: App, revision: str, folder: Path) -> None:
    """Put the files of a revision into an empty folder of the build user's. Raises Failed."""
    if app.repository:
        _check_out(app, revision, folder)
    else:
        _take(app, folder)


def _check_out(app: App, revision: str, folder: Path) -> None:
    _own_mirror(app)
    here = ["git", "--git-dir", str(app.mirror)]
    if not (app.mirror / "HEAD").exists():
        _git(app, [*here, "init", "--quiet", "--bare"], writes=[app.mirror])
    everything = ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"]
    arguments = ["fetch", "--quiet", "--prune", "--no-write-fetch-head", "--"]
    fetch = [*here, *arguments, str(app.repository), *everything]
    _git(app, fetch, writes=[app.mirror])
    unpack = [*CONTENTS, "unpack", str(folder)]
    command = [*_CHECK_OUT, str(app.mirror), revision, *unpack]
    run_confined(STEP, app, app.build, command, writes=[folder, app.mirror])


def _own_mirror(app: App) -> None:
    """Have a folder for the copy of the repository that belongs to the build user."""
    mirror = app.mirror
    if mirror.is_dir() and mirror.owner() != app.build.user:
        # Of an earlier version of this program, and root's: it is fetched again.
        shutil.rmtree(mirror)
    if not mirror.is_dir():
        mirror.mkdir(mode=0o700)
        shutil.chown(mirror, app.build.user, app.build.user)


def _take(app: App, folder: Path) -> None:
    """The files as they come: a tarball in base64."""
    try:
        packed = base64.b64decode(sys.stdin.buffer.read())
    except ValueError as error:
        raise Failed(STEP, f"the files did not arrive whole: {error}") from None
    command = [*CONTENTS, "unpack", str(folder)]
    run_confined(STEP, app, app.build, command, writes=[folder], stdin=packed)


def _git(
    app: App, command: Sequence[str], *, writes: Sequence[Path] = (), timeout_s: int = 600
) -> str:
    """What a command said that runs git, which sees its key and nothing else of root's."""
    options = {
        "BatchMode": "yes",
        "ConnectTimeout": "15",
        "GlobalKnownHostsFile": "/dev/null",
        "StrictHostKeyChecking": "yes",
        "UserKnownHostsFile": app.known_hosts,
    }
    ssh = ["ssh", *(part for name, value in options.items() for part in ("-o", f"{name}={value}"))]
    if app.deploy_key:
        # Where systemd puts it, git is told by the shell that starts it.
        ssh += ["-o", "IdentitiesOnly=yes", "-i"]
        start = 'GIT_SSH_COMMAND="$GIT_SSH_COMMAND $CREDENTIALS_DIRECTORY/deploy_key" exec "$@"'
        command = ["sh", "-c", start, *command[:1], *command]
    return run_confined(
        STEP,
        app,
        app.build,
        command,
        env={**_GIT, "GIT_SSH_COMMAND": shlex.join(ssh)},
        writes=writes,
        credentials={"deploy_key": app.deploy_key} if app.deploy_key else {},
        timeout_s=timeout_s,
    )


def _pairs(told: str) -> list[tuple[str, str]]:
    lines = (line.split("\t") for line in told.splitlines())
    return [(parts[0], parts[1]) for parts in lines if len(parts) == 2]
