"""Preview of a release: the commits and the migrations that come with it. Changes nothing."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from . import deploying, serving, source
from .app import App
from .commands import Failed
from .database import query
from .history import History

MAX_NAMES = 20
MAX_CHARACTERS = 100
# What a plan says of an application, and the description on this machine may not say yet.
_WANTED = ("repository", "branch", "revision")


def preview(app: App, wanted: dict[str, Any]) -> dict[str, Any]:
    """The revisions of before and after, how many commits come and go, and what waits.

    + wanted: repository, branch and revision as they will be, and the names of the migrations of an
      application that comes from no repository

    Raises Failed where the repository does not answer.
    """
    app = replace(app, **{key: wanted[key] for key in _WANTED})
    live = serving.live(app)
    old = History(app).details(live.name)["revision"] if live else ""
    new = source.wanted(app)
    if held := deploying.held_back(History(app), new):
        new = held.instead
    told: dict[str, Any] = {"old": old, "new": new, "coming": None, "leaving": None, "subjects": []}
    files: Sequence[str] = wanted.get("migrations") or ()
    if app.repository:
        compared = source.compare(app, old, new)
        files = compared.migrations
        told |= {"coming": compared.coming, "leaving": compared.leaving}
        told["subjects"] = [_plain(each) for each in compared.subjects[:MAX_NAMES]]
    waiting = _waiting(app, files)
    return {**told, "migrations": waiting[:MAX_NAMES], "waiting": len(waiting)}


def _waiting(app: App, files: Iterable[str]) -> list[str]:
    """The migrations that the database does not know, in the order in which they will run."""
    names = sorted({PurePosixPath(file).stem for file in files if file.endswith(".php")})
    try:
        done = set(query(app, "preview", "select migration from migrations").split("\n"))
    except Failed:
        done = set()  # there is no such table, or no database yet
    return [_plain(name) for name in names if name not in done]


def _plain(text: str) -> str:
    """A text of the repository's, which is not trusted, as one short line."""
    line = "".join(char if char.isprintable() else " " for char in text)
    line = " ".join(line.split())
    return line if len(line) <= MAX_CHARACTERS else f"{line[: MAX_CHARACTERS - 1]}…"
