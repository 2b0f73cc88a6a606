"""Where the files of a release come from: a git repository, or whoever deploys."""

import base64
import io
import shlex
import sys
import tarfile
from pathlib import Path

from .app import App
from .commands import Failed, run

STEP = "fetch"


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
    """Put the files of a revision into an empty folder. Raises Failed."""
    if app.repository:
        _check_out(app, revision, folder)
    else:
        _take(folder)


def _check_out(app: App, revision: str, folder: Path) -> None:
    mirror = app.base / "repository.git"
    if not (mirror / "HEAD").exists():
        run(STEP, ["git", "init", "--quiet", "--bare", str(mirror)])
        mirror.chmod(0o700)
    everything = ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"]
    arguments = ["fetch", "--quiet", "--prune", "--no-write-fetch-head", "--"]
    _git(app, "--git-dir", str(mirror), *arguments, str(app.repository), *everything)
    archive = folder / ".archive.tar"
    _git(app, "--git-dir", str(mirror), "archive", "-o", str(archive), revision)
    try:
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")
    except tarfile.TarError as error:
        raise Failed(STEP, f"the repository has what no release may have: {error}") from None
    finally:
        archive.unlink(missing_ok=True)


def _take(folder: Path) -> None:
    """The files as they come: a tarball in base64."""
    try:
        packed = base64.b64decode(sys.stdin.buffer.read())
        with tarfile.open(fileobj=io.BytesIO(packed), mode="r:gz") as tar:
            tar.extractall(folder, filter="data")
    except tarfile.FilterError as error:
        raise Failed(STEP, f"the files have what no release may have: {error}") from None
    except (ValueError, EOFError, OSError, tarfile.TarError) as error:
        raise Failed(STEP, f"the files did not arrive whole: {error}") from None


def _git(app: App, *arguments: str) -> str:
    options = {
        "BatchMode": "yes",
        "ConnectTimeout": "15",
        "GlobalKnownHostsFile": "/dev/null",
        "StrictHostKeyChecking": "yes",
        "UserKnownHostsFile": app.known_hosts,
    }
    ssh = ["ssh", *(part for name, value in options.items() for part in ("-o", f"{name}={value}"))]
    if app.deploy_key:
        ssh += ["-o", "IdentitiesOnly=yes", "-i", app.deploy_key]
    env = {"GIT_SSH_COMMAND": shlex.join(ssh), "GIT_TERMINAL_PROMPT": "0", "HOME": "/root"}
    return run(STEP, ["git", *arguments], env=env, limit_s=600)


def _pairs(told: str) -> list[tuple[str, str]]:
    lines = (line.split("\t") for line in told.splitlines())
    return [(parts[0], parts[1]) for parts in lines if len(parts) == 2]
