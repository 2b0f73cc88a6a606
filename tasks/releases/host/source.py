"""Where the files of a release come from: a git repository, or whoever deploys."""

import base64
import shlex
import shutil
import sys
from pathlib import Path

from .app import App
from .build import CONTENTS
from .commands import Failed, run_confined

STEP = "fetch"
_CHECK_OUT = ("bash", str(Path(__file__).with_name("check_out.sh")))
_GIT = {"GIT_TERMINAL_PROMPT": "0", "HOME": "/nonexistent"}


def wanted(app: App) -> str:
    """The revision that is to be live: a commit, or the hash of the files that are handed over.

    Raises Failed where the repository does not tell.
    """
    if app.revision:
        return app.revision
    refs = [f"refs/heads/{app.branch}", f"refs/tags/{app.branch}^{{}}", f"refs/tags/{app.branch}"]
    told = _git(app, "ls-remote", "--", str(app.repository), *refs)
    found = {ref: commit for commit, ref in _pairs(told)}
    for ref in refs:
        if ref in found:
            return found[ref]
    raise Failed(STEP, f"{app.repository} has no branch and no tag {app.branch}")


def unpack(app: App, revision: str, folder: Path) -> None:
    """Put the files of a revision into an empty folder of the build user's. Raises Failed."""
    if app.repository:
        _check_out(app, revision, folder)
    else:
        _take(app, folder)


def _check_out(app: App, revision: str, folder: Path) -> None:
    _own_mirror(app)
    here = ["--git-dir", str(app.mirror)]
    if not (app.mirror / "HEAD").exists():
        _git(app, *here, "init", "--quiet", "--bare")
    everything = ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"]
    arguments = ["fetch", "--quiet", "--prune", "--no-write-fetch-head", "--"]
    _git(app, *here, *arguments, str(app.repository), *everything)
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


def _git(app: App, *arguments: str) -> str:
    """What git said, which sees the key of the repository and nothing else of root's."""
    options = {
        "BatchMode": "yes",
        "ConnectTimeout": "15",
        "GlobalKnownHostsFile": "/dev/null",
        "StrictHostKeyChecking": "yes",
        "UserKnownHostsFile": app.known_hosts,
    }
    ssh = ["ssh", *(part for name, value in options.items() for part in ("-o", f"{name}={value}"))]
    command = ["git", *arguments]
    if app.deploy_key:
        # Where systemd puts it, git is told by the shell that starts it.
        ssh += ["-o", "IdentitiesOnly=yes", "-i"]
        start = 'GIT_SSH_COMMAND="$GIT_SSH_COMMAND $CREDENTIALS_DIRECTORY/deploy_key" exec "$@"'
        command = ["sh", "-c", start, "git", *command]
    return run_confined(
        STEP,
        app,
        app.build,
        command,
        env={**_GIT, "GIT_SSH_COMMAND": shlex.join(ssh)},
        writes=[app.mirror] if app.mirror.exists() else [],
        credentials={"deploy_key": app.deploy_key} if app.deploy_key else {},
        timeout_s=600,
    )


def _pairs(told: str) -> list[tuple[str, str]]:
    lines = (line.split("\t") for line in told.splitlines())
    return [(parts[0], parts[1]) for parts in lines if len(parts) == 2]
