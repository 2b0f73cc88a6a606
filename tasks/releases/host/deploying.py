"""A deployment of one application: a new release goes live, or everything stays as it was."""

import hashlib
import re
import shutil
import sys
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from . import build, database, serving, source
from .app import App
from .commands import Failed
from .history import History

# Time and revision, as `deploy` names a release.
_NAME = re.compile(r"\d{8}-\d{6}-\w{1,7}")
# How a release lies on the disk: where that changes, each application gets a new one.
LAYOUT = 2


def is_live(app: App) -> bool:
    """Whether what is wanted serves already; changes nothing. Raises Failed.

    What a rollback holds back is not wanted: then it is the commit that serves.
    """
    history = History(app)
    revision = source.wanted(app)
    held = held_back(history, revision)
    return _serves(app, _inputs(app, held.instead if held else revision))


def deploy(app: App) -> None:
    """Release what is wanted. Raises Failed: the release is bad, and the one before serves."""
    history = History(app)
    settle(app, history)
    revision = source.wanted(app)
    if held := held_back(history, revision):
        _say(f"{revision} is held back: a rollback by {held.by} left {held.release} at {held.at}")
        _renew(app, history, held.instead)
        return
    inputs = _inputs(app, revision)
    if _serves(app, inputs):
        _say(f"live already: {app.current.resolve().name}")
        return
    release = app.releases / f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{revision[:7]}"
    before = serving.live(app)
    dump = ""
    try:
        _say(f"release {release.name} of {app.name}")
        build.check_room(app)
        serving.refuse_down(app)
        build.prepare(app, release)
        source.unpack(app, revision, release)
        build.furnish(app, release)
        build.install(app, release)
        build.cache(app, release)
        build.seal(app, release)
        build.compile_views(app, release)
        dump = database.migrate(app, release, history)
        serving.try_out(app, release)
        made = {"revision": revision, "inputs": inputs, "dump": dump}
        history.note(release.name, "made", **made)
        _go_live(app, release, before)
    except (Failed, OSError) as error:
        failure = error if isinstance(error, Failed) else Failed("files", str(error))
        # A full disk has no room for a line either.
        _discard(app, release)
        _note_bad(history, release, failure, revision=revision, dump=failure.dump or dump)
        raise failure from None
    history.note(release.name, "live", **made)
    _say(f"live: {release.name}")
    if dump:
        _say(f"the database as it was before: {database.restore_command(app, dump)}")
    serving.restart_workers(app)
    _prune(app, history)


@dataclass(frozen=True)
class HeldBack:
    """A commit that a rollback holds back: the release that it left, when, and who did it.

    + instead: the commit that serves
    """

    release: str
    revision: str
    at: str
    by: str
    instead: str


def held_back(history: History, revision: str | None = None) -> HeldBack | None:
    """Return what a rollback holds back: this commit, or without one the newest that was left."""
    live = serving.live(history.app)
    for event in reversed(history.held_back() if live else []):
        assert live is not None
        left = event.revision or history.details(event.release)["revision"]
        if revision in (None, left):
            instead = history.details(live.name)["revision"]
            return HeldBack(event.release, left, event.at, event.by or "somebody", instead)
    return None


def _renew(app: App, history: History, revision: str) -> None:
    """Give the release that serves the settings as they are now. Raises Failed."""
    inputs, release = _inputs(app, revision), serving.live(app)
    if release is None or _serves(app, inputs):
        return
    build.refresh(app, release)
    serving.go_live(app, release)
    history.note(
        release.name, "live", **{**history.details(release.name), "inputs": inputs, "dump": ""}
    )
    _say(f"live: {release.name}, with its settings as they are now")
    serving.restart_workers(app)


def settle(app: App, history: History) -> None:
    """Put right what a deployment left behind that was ended in its midst."""
    for link in (app.current, app.candidate):
        link.with_name(f".{link.name}.new").unlink(missing_ok=True)
    app.candidate.unlink(missing_ok=True)
    release = serving.live(app)
    last = history.last(release.name) if release else None
    if release and (last is None or last.event != "live"):
        _finish(app, history, release)
    live = serving.live(app)
    kept = [*history.good(), *(event.release for event in history.held_back())]
    for folder in _folders(app):
        if folder != live and folder.name not in kept:
            _remove(app, folder)
    _seal_earlier(app)


def _finish(app: App, history: History, release: Path) -> None:
    """See whether a release works that was switched to, but never seen to work."""
    earlier = [name for name in history.good() if name != release.name]
    before = app.releases / earlier[-1] if earlier else None
    try:
        _go_live(app, release, before)
    except Failed as failure:
        _note_bad(history, release, failure)
        return
    history.note(release.name, "live", **history.details(release.name))


def _go_live(app: App, release: Path, before: Path | None) -> None:
    try:
        serving.go_live(app, release)
    except Failed:
        if before:
            serving.go_live(app, before)
        else:
            app.current.unlink()
        raise


def _note_bad(history: History, release: Path, failure: Failed, **details: str) -> None:
    try:
        history.note(release.name, "bad", step=failure.step, output=failure.output[-20:], **details)
    except OSError as error:
        # It stays out of all counts all the same: no line says that it is good.
        _say(f"what failed could not be written down: {error}")


def _discard(app: App, release: Path) -> None:
    """Leave what failed until the next deployment, for a look at it, unless room is short."""
    if release.exists():
        with suppress(Failed):
            build.close(release)
    usage = shutil.disk_usage(app.base)
    if release.exists() and usage.free < usage.total / 10:
        _remove(app, release)


def _prune(app: App, history: History) -> None:
    """Leave the newest good releases; what failed is not counted."""
    live = serving.live(app)
    kept = history.good()[-app.keep_releases :]
    for folder in _folders(app):
        if folder.name not in kept and folder != live:
            _remove(app, folder)
    _seal_earlier(app)


def _seal_earlier(app: App) -> None:
    """Seal what earlier versions of this program made, but for what visitors get meanwhile."""
    live = serving.live(app)
    for folder in _folders(app):
        if folder == live or build.is_sealed(app, folder) or build.seal_earlier(app, folder):
            continue
        _say(f"{folder.name} is removed: not all of it belongs to root, so it must never serve")
        _remove(app, folder)


def _folders(app: App) -> list[Path]:
    """The releases that this program made, oldest first; what somebody else put there stays."""
    there = app.releases.iterdir() if app.releases.is_dir() else ()
    return sorted(folder for folder in there if _NAME.fullmatch(folder.name))


def _remove(app: App, folder: Path) -> None:
    with suppress(Failed):
        build.remove_views(app, folder.name)
    if folder.is_symlink() or folder.is_file():
        folder.unlink()
    else:
        shutil.rmtree(folder, ignore_errors=True)


def _serves(app: App, inputs: str) -> bool:
    release = serving.live(app)
    last = History(app).last(release.name) if release else None
    return last is not None and (last.event, last.inputs) == ("live", inputs)


def _inputs(app: App, revision: str) -> str:
    """The hash of all that a release is made from: other secrets or another PHP are a new one."""
    settings = (app.shared / ".env").read_bytes()
    return hashlib.sha256(f"{LAYOUT} {revision} {app.php} ".encode() + settings).hexdigest()


def _say(text: str) -> None:
    print(text, flush=True, file=sys.stdout)
