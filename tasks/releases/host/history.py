"""What became of every release: one line of JSON for each event, never changed again."""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from .app import App


@dataclass(frozen=True)
class Event:
    """One thing that happened to a release.

    + event: ``migrating`` (its migrations are about to run) and ``migrated``; ``made`` (it is about
      to be switched to); ``live`` (it serves); ``bad`` (it never did, or not well); ``left`` (a
      rollback went away from it)
    + inputs: the hash of all that it was made from
    + step, output: where it failed, and the last lines of the output
    + dump: of the database, made before this release migrated it
    + by: who rolled back
    """

    release: str
    event: str
    at: str
    revision: str = ""
    inputs: str = ""
    step: str = ""
    output: Sequence[str] = ()
    dump: str = ""
    by: str = ""


class History:
    """The events of an application, oldest first."""

    def __init__(self, app: App) -> None:
        self.path = app.base / "releases.jsonl"
        self.app = app

    def events(self) -> list[Event]:
        """All of them; a line that a full disk cut off is passed over."""
        try:
            lines = self.path.read_text(errors="replace").splitlines()
        except FileNotFoundError:
            return []
        found = []
        for line in lines:
            try:
                found.append(Event(**json.loads(line)))
            except (ValueError, TypeError):
                continue
        return found

    def note(self, release: str, event: str, **details: object) -> Event:
        """Add an event, and have it on the disk."""
        made = Event(release, event, f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", **details)  # type: ignore[arg-type]
        new = not self.path.exists()
        with open(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "a") as file:
            if not new and not _ends_with_newline(self.path):
                file.write("\n")
            file.write(json.dumps(asdict(made)) + "\n")
            file.flush()
            os.fsync(file.fileno())
        return made

    def last(self, release: str) -> Event | None:
        """What was last said of a release."""
        return next((each for each in reversed(self.events()) if each.release == release), None)

    def details(self, release: str) -> dict[str, str]:
        """Of what a release was made, as it was said when it was made or live."""
        told = [each for each in self.events() if each.release == release and each.inputs]
        last = told[-1] if told else Event(release, "", "")
        return {"revision": last.revision, "inputs": last.inputs, "dump": last.dump}

    def good(self) -> list[str]:
        """The releases that can be gone back to, in the order in which they were made."""
        return self._last_said("live")

    def left(self) -> list[str]:
        """The releases that a rollback went away from, of those that had been seen to work."""
        worked = {each.release for each in self.events() if each.event == "live"}
        return [name for name in self._last_said("left") if name in worked]

    def failed_migration(self) -> Event | None:
        """Return the first attempt to migrate that failed since a release was made last.

        Its dump is the newest of a database that no failed migration has touched. A release that
        works, with its migrations or without any, is served with the database as it is.
        """
        first = None
        for event in self.events():
            if event.event in ("migrated", "made"):
                first = None
            elif event.event == "migrating":
                first = first or event
        return first

    def held_back(self) -> list[Event]:
        """Return the ``left`` events whose commits a rollback holds back, oldest first.

        The hold ends when a deployment makes another release live.
        """
        held: dict[str, Event] = {}
        being_made = ""
        for event in self.events():
            if event.event == "made":
                being_made = event.release
            elif event.event == "left":
                held[event.release] = event
            elif event.event == "live":
                is_new = event.release == being_made
                # Names begin with the time: an older release than what serves needs no hold.
                held = {} if is_new else {n: e for n, e in held.items() if n > event.release}
                being_made = ""
        return list(held.values())

    def _last_said(self, event: str) -> list[str]:
        last = {each.release: each.event for each in self.events()}
        return sorted(
            name
            for name, said in last.items()
            if said == event and (self.app.releases / name).is_dir()
        )


def _ends_with_newline(path: Path) -> bool:
    with path.open("rb") as file:
        if file.seek(0, os.SEEK_END) == 0:
            return True
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"
