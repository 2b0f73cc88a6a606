"""Releases: what is wanted of each application goes live, or the one before stays."""

import json
from pathlib import Path
from typing import Any

from configs import App
from configs.paths import resolved
from tasks import archives
from tasks.component import Site, component
from tasks.laravel import confinement
from tasks.laravel.environment import foreign_database
from tasks.laravel.places import build_user, fpm_unit, root
from tasks.laravel.secrets import deploy_key, deploy_keys
from tasks.operations.releases import PROGRAM, PROGRAMS
from tasks.redis.instances import queue
from tasks.redis.users import ADMINISTRATOR, PASSWORD_FILE
from tasks.resources import (
    app_release,
    database_login,
    directory,
    file,
    folder_of_files,
    nothing_else,
    secret,
    secret_text,
    text_file,
)
from tasks.sandbox import Sandbox
from tasks.workers.units import worker_units

HERE = Path(__file__).parent
PROGRAM_FILES = HERE / "host"
DESCRIPTIONS = "/etc/chom/apps"
# The newest ones: all that are named fit into a command line.
MAX_MIGRATIONS = 200
KNOWN_HOSTS = f"{DESCRIPTIONS}/known_hosts"


def description_file(name: str) -> str:
    """Where an application is described to the program that releases it."""
    return f"{DESCRIPTIONS}/{name}.json"


def report(site: Site) -> str:
    """A shell command that tells what serves, a line of JSON for each application."""
    return f"cd / && for app in {' '.join(site.target.apps)}; do {PROGRAM} tell $app; done"


@component(
    needs=["laravel", "php", "nginx", "certificate"],
    secrets=deploy_keys,
    packages=lambda site: ["python3", "curl", "composer", "unzip", *_git(site)],
    report=report,
)
def releases(site: Site) -> None:
    """After PHP and Nginx, through which a release is tried out before anybody else gets it."""
    folder_of_files(PROGRAM_FILES, into=f"{PROGRAMS}/releases")
    directory(DESCRIPTIONS)
    file(KNOWN_HOSTS, "known_hosts.j2", host_keys=site.settings.git.host_keys)
    # Of one that is no longer wanted nothing is told any more.
    nothing_else(DESCRIPTIONS, "*.json", [f"{name}.json" for name in site.target.apps])
    for name, app in site.target.apps.items():
        key = _deploy_key(name, app)
        files = _files(app)
        described = text_file(
            description_file(name), _description(site, name, app, key, files), mode="600"
        )
        app_release(
            name,
            files,
            settings=[described, f"{root(name)}/shared/.env"],
            wanted=_wanted(app, files),
        )


def _git(site: Site) -> list[str]:
    repositories = [app.repository for app in site.target.apps.values()]
    return ["git", "openssh-client"] if any(repositories) else []


def _deploy_key(name: str, app: App) -> str | None:
    if not app.deploy_key:
        return None
    # OpenSSH wants the end of the last line, which a secret does not have.
    return secret_text(f"{DESCRIPTIONS}/{name}.key", secret(deploy_key(name)).reveal() + "\n")


def _files(app: App) -> archives.Archive | None:
    if app.repository:
        return None
    if not app.path:
        return archives.pack(HERE / "page")
    folder = resolved(app.path)
    # What composer installs is not taken along, nor what was written while it ran here.
    made = ["storage", "public/storage", "bootstrap/cache"]
    return archives.pack(folder, [*made, *(["vendor"] if _has_composer(folder) else [])])


def _wanted(app: App, files: archives.Archive | None) -> dict[str, Any]:
    """What a preview of the release is told, as the description of before may be another one."""
    found: dict[str, Any] = {
        "repository": app.repository,
        "branch": app.branch,
        "revision": app.revision,
    }
    if files:
        folder = resolved(app.path) if app.path else HERE / "page"
        names = sorted(path.name for path in folder.glob("database/migrations/*.php"))
        found |= {"revision": files.sha256, "migrations": names[-MAX_MIGRATIONS:]}
    return found


def _has_composer(folder: Path) -> bool:
    return (folder / "composer.json").is_file()


def _description(
    site: Site, name: str, app: App, key: str | None, files: archives.Archive | None
) -> str:
    version = site.target.php_of(app)
    page = site.target.page(name)
    described = {
        "name": name,
        "owner": name,
        "database_login": database_login(name),
        "database_elsewhere": foreign_database(name, app),
        "build": _user(build_user(name), confinement.build(name, site.hardware)),
        "runtime": _user(name, confinement.command(name, app, site.hardware)),
        "base": root(name),
        "php": f"/usr/bin/php{version}",
        "fpm": f"{fpm_unit(name, version)}.service",
        "repository": app.repository,
        "branch": app.branch,
        "revision": files.sha256 if files else app.revision,
        "deploy_key": key,
        "known_hosts": KNOWN_HOSTS,
        "url": f"{page.own_url}{app.health}",
        "workers": worker_units(name, app),
        "queues": app.workers.queues.split(","),
        "redis": ["-s", queue(name).socket, "--user", ADMINISTRATOR, PASSWORD_FILE],
        "keep_releases": app.keep_releases,
        "keep_dumps": app.keep_dumps,
    }
    return json.dumps(described, indent=2)


def _user(user: str, sandbox: Sandbox) -> dict[str, Any]:
    """A user of the application and the sandbox for its commands, as the program reads them."""
    return {"user": user, "properties": sandbox.lines()}
