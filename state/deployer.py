"""Who deploys: the person or the CI job, the computer, the revision of the project."""

import getpass
import os
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path

from state.record import Ci, Deployer


def identify(root: Path, towards: str, environ: Mapping[str, str] = os.environ) -> Deployer:
    """Tell who deploys from ``root`` to the address ``towards``."""
    revision = _git(root, "rev-parse", "HEAD")
    return Deployer(
        user=_user(),
        hostname=socket.gethostname(),
        ip=_own_address(towards),
        pid=os.getpid(),
        ci=_ci(environ),
        git_revision=revision,
        git_dirty=bool(_git(root, "status", "--porcelain")) if revision else None,
    )


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return str(os.getuid())


def _own_address(towards: str) -> str:
    """The address that this computer has towards another; connecting UDP sends nothing."""
    try:
        family = socket.AF_INET6 if ":" in towards else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((towards, 9))
            return str(probe.getsockname()[0])
    except OSError:
        return "unknown"


def _ci(environ: Mapping[str, str]) -> Ci | None:
    if environ.get("GITHUB_ACTIONS") == "true":
        run = f"{environ.get('GITHUB_REPOSITORY')}/actions/runs/{environ.get('GITHUB_RUN_ID')}"
        return Ci(
            system="github",
            job=environ.get("GITHUB_JOB"),
            url=f"{environ.get('GITHUB_SERVER_URL', '')}/{run}",
            actor=environ.get("GITHUB_ACTOR"),
        )
    if environ.get("GITLAB_CI") == "true":
        return Ci(
            system="gitlab",
            job=environ.get("CI_JOB_NAME"),
            url=environ.get("CI_JOB_URL"),
            actor=environ.get("GITLAB_USER_LOGIN"),
        )
    if environ.get("CI", "").lower() in ("true", "1"):
        return Ci(system="unknown")
    return None


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
