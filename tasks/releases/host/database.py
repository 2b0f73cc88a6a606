"""The database: dumped before it is migrated, with the command that brings it back."""

import re
import subprocess
from pathlib import Path

from .app import App
from .commands import Failed, artisan, run
from .history import History

# Laravel 9 and newer say Pending, older ones No in a column of a table.
_PENDING = re.compile(r"\bPending\b|\|\s*No\s*\|")
_DUMP = ".sql.gz"
# A dump of a database in which an earlier migration failed.
_UNFINISHED = f".after-failed-migration{_DUMP}"


def migrate(app: App, release: Path, history: History) -> str:
    """Migrate the database to what a release expects.

    Returns the path of the dump that holds the database as it was before; an empty string if
    there is none, if the database was empty, or if an earlier migration had failed half-way.

    Only one release of an application is made at a time, so no two migrations meet.
    """
    if not _is_pending(app, release):
        return ""
    if app.database_elsewhere:
        print(f"no dump: {app.database_elsewhere}", flush=True)
        _migrate(app, release)
        return ""
    was_empty = _is_empty(app)
    earlier = history.failed_migration()
    path = str(_dump(app, f"{release.name}{_UNFINISHED if earlier else _DUMP}"))
    history.note(release.name, "migrating", dump=path)
    try:
        _migrate(app, release)
    except Failed as failure:
        failure.dump = earlier.dump if earlier else path
        failure.output.append(
            f"the database as it was before: {restore_command(app, failure.dump)}"
        )
        if earlier:
            failure.output.append(
                f"that is from before {earlier.release} failed to migrate it at {earlier.at};"
                f" as it was before this attempt: {restore_command(app, path)}"
            )
        raise
    history.note(release.name, "migrated")
    if earlier:
        print(
            f"the database as {earlier.release}, which failed to migrate it, had left it:"
            f" {restore_command(app, path)}; as it was before that:"
            f" {restore_command(app, earlier.dump)}",
            flush=True,
        )
    return "" if earlier or was_empty else path


def restore_command(app: App, dump: str) -> str:
    """Return the shell command with which root restores a dump.

    The dump drops the database first, so that nothing stays of what came after it.
    """
    return f"zcat {dump} | mariadb {app.owner}"


def _migrate(app: App, release: Path) -> None:
    artisan(app, app.runtime, release, "migrate", "--force")


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
    path = app.dumps / name
    part = path.with_suffix(".part")
    command = (
        "set -o pipefail; mariadb-dump --single-transaction --quick --routines --triggers --events"
        ' --add-drop-database --databases "$1" | gzip > "$2"'
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
    """Keep the newest dumps; of those that follow a failed migration the newest one.

    They are counted apart: a migration that is tried over and over displaces no good dump.
    """
    dumps = sorted(app.dumps.glob(f"*{_DUMP}"))
    unfinished = [path for path in dumps if path.name.endswith(_UNFINISHED)]
    good = [path for path in dumps if path not in unfinished]
    for old in [*good[: -app.keep_dumps], *unfinished[:-1]]:
        old.unlink()
    for part in app.dumps.glob("*.part"):
        part.unlink()
