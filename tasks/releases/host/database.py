"""The database: dumped before it is migrated, with the command that brings it back."""

import re
import subprocess
from pathlib import Path

from .app import App
from .commands import Failed, artisan, run

# Laravel 9 and newer say Pending, older ones No in a column of a table.
_PENDING = re.compile(r"\bPending\b|\|\s*No\s*\|")


def migrate(app: App, release: Path) -> str:
    """Bring the database to what a release expects; returns the path of the dump, if one was made.

    Of an empty database there is none.

    Only one release of an application is made at a time, so no two migrations meet.
    """
    if not _is_pending(app, release):
        return ""
    path = "" if _is_empty(app) else str(_dump(app, release.name))
    try:
        artisan(app, app.runtime, release, "migrate", "--force")
    except Failed as failure:
        failure.dump = path
        if path:
            failure.output.append(f"the database as it was before: {restore_command(app, path)}")
        raise
    return path


def restore_command(app: App, dump: str) -> str:
    """What a shell of root's is told to bring a dump back."""
    return f"zcat {dump} | mariadb {app.owner}"


def _is_pending(app: App, release: Path) -> bool:
    try:
        return bool(_PENDING.search(artisan(app, app.runtime, release, "migrate:status")))
    except Failed:
        return True  # there is no table of migrations yet


def _is_empty(app: App) -> bool:
    return not query(app, "dump", "show tables").strip()


def query(app: App, step: str, statement: str, timeout_s: int = 60) -> str:
    """Ask the application's database as its own user; the rows, separated by tabs.

    Never as root: a view or a function of the application's could run with the rights of the one
    who asks. Raises Failed.
    """
    login = f"--defaults-file={app.database_login}"
    return run(step, ["mariadb", login, "-NBe", statement, app.owner], timeout_s=timeout_s)


def _dump(app: App, name: str) -> Path:
    app.dumps.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = app.dumps / f"{name}.sql.gz"
    part = path.with_suffix(".part")
    command = (
        'set -o pipefail; mariadb-dump --single-transaction --quick --routines --triggers "$1"'
        ' | gzip > "$2"'
    )
    done = subprocess.run(
        ["bash", "-c", f"umask 077; {command}", "dump", app.owner, str(part)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        part.unlink(missing_ok=True)
        raise Failed("dump", done.stderr)
    part.replace(path)
    _prune(app)
    return path


def _prune(app: App) -> None:
    """Also where migrations fail again and again: the newest stay."""
    for old in sorted(app.dumps.glob("*.sql.gz"))[: -app.keep_dumps]:
        old.unlink()
    for part in app.dumps.glob("*.part"):
        part.unlink()
