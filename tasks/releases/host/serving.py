"""Which release serves: the links that Nginx follows, PHP-FPM and the workers behind them."""

import os
import re
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from . import answers
from .app import App
from .commands import Failed, run, run_confined

# What Nginx takes from this machine alone (tasks/laravel/site.conf.j2).
CANDIDATE = "X-Chom-Release: candidate"
# How PHP, PHP-FPM and their extensions begin to say why they end.
_ERROR = re.compile(r"^(PHP )?(Fatal|Parse) error|Uncaught |\b(ERROR|ALERT): |^panic: ")


def point(link: Path, release: Path) -> None:
    """Have a link lead to a release: one rename, so that it is never missing."""
    new = link.with_name(f".{link.name}.new")
    new.unlink(missing_ok=True)
    new.symlink_to(f"releases/{release.name}")
    new.replace(link)
    folder = os.open(link.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def refuse_down(app: App) -> None:
    """Raise Failed if `artisan down` was run and hides the health page of what serves."""
    if live(app) and _is_down(app) and _ask(app, "")[0] == "503":
        raise Failed("health", _down(app))


def _down(app: App) -> str:
    artisan = f"runuser -u {app.owner} -- {app.php} {app.current}/artisan"
    return (
        "the application is down by artisan, so nobody can see whether a release works: bring it up"
        f" ({artisan} up); for maintenance during a deploy set maintenance: true instead"
    )


def live(app: App) -> Path | None:
    """The release that visitors get; None before the first one."""
    if not app.current.is_symlink() or not app.current.exists():
        return None
    # Not the resolved path: a folder above may be a link, too.
    return app.releases / app.current.resolve().name


def try_out(app: App, release: Path) -> None:
    """Ask a release that is not public for its health, through Nginx and PHP-FPM. Raises Failed."""
    point(app.candidate, release)
    try:
        _ask_until(app, "health", good=1, tries=3, pause_s=1.0, header=CANDIDATE)
    finally:
        app.candidate.unlink(missing_ok=True)


def go_live(app: App, release: Path) -> None:
    """Let a release serve, and see that it does. Raises Failed: visitors get it all the same."""
    point(app.current, release)
    # New files have new names, so nobody waits for this: it is what frees the memory of the old.
    _change_units("reload", "reload", app.fpm)
    _ask_until(app, "health after the switch", good=3, tries=5, pause_s=0.3)


def restart_workers(app: App) -> None:
    """Restart the workers that run, all at the same time; each ends its job at hand first."""
    if not app.workers:
        return
    states = run("workers", ["systemctl", "show", "-P", "ActiveState", *app.workers]).split()
    running = [unit for unit, state in zip(app.workers, states, strict=True) if state == "active"]
    if running:
        _change_units("workers", "restart", *running)


def _change_units(step: str, verb: str, *units: str) -> None:
    """Reload or restart units. Raises Failed, with an excerpt of their journal."""
    try:
        run(step, ["systemctl", verb, *units])
    except Failed as failure:
        with suppress(Failed):
            of_units = [word for unit in units for word in ("-u", unit)]
            asked = ["journalctl", *of_units, "-S", "-10min", "-n", "1000", "-o", "cat"]
            said = run(step, [*asked, "--no-pager"])
            failure.output += ["its journal says:", *excerpt(said.splitlines())]
        raise


def excerpt(journal: Sequence[str], last: int = 15) -> list[str]:
    """The first line of the last uncaught error in a journal, and the last lines."""
    errors = [at for at, line in enumerate(journal) if _ERROR.search(line)]
    end = list(journal[-last:])
    if not errors or errors[-1] >= len(journal) - len(end):
        return end
    return [journal[errors[-1]], "…", *end]


def _ask_until(
    app: App, step: str, *, good: int, tries: int, pause_s: float, header: str = ""
) -> None:
    """Ask until ``good`` answers in a row were 200; raise Failed after that many ``tries``."""
    in_a_row, code, body = 0, "", ""
    for attempt in range(tries):
        if attempt:
            time.sleep(pause_s)
        code, body = _ask(app, header)
        in_a_row = in_a_row + 1 if code == "200" else 0
        if in_a_row == good:
            return
    said = answers.excerpt(code, body) if code else body.splitlines()
    if code == "503" and _is_down(app):
        said = [_down(app), *said]
    raise Failed(step, "\n".join([f"{app.url} answered:", *said]))


def _is_down(app: App) -> bool:
    """Whether `artisan down` was run, as the application's own user sees it."""
    # In a sandbox: the application may have put a link anywhere in its storage.
    file = str(app.storage / "framework/down")
    try:
        run_confined("health", app, app.runtime, ["test", "-e", file])
    except Failed:
        return False
    return True


def _ask(app: App, header: str) -> tuple[str, str]:
    """The status and the body; without a status, why there is none."""
    options = ["-ksS", "-m", "20", "--connect-to", "::127.0.0.1:", "-w", "\n%{http_code}"]
    if header:
        options += ["-H", header]
    try:
        body, _, code = run("health", ["curl", *options, app.url]).rpartition("\n")
    except Failed as failure:
        return "", "\n".join(failure.output)
    return code, body
