"""The folder of records: written atomically, newest by a link, left-open ones closed."""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from socket import gethostname
from typing import Any

from state.ids import next_id, past
from state.owned import Effects, Made, Owned, add_up, effects
from state.processes import runs
from state.pruning import read_pruned
from state.reading import Head, Part, Unreadable, extract, parse
from state.record import Previous, Record
from state.running import running_text
from state.scrubbing import Scrubber
from state.sealing import seal_of
from state.writing import link_atomically, sweep, write_atomically

FOLDER = ".deploy-state"


def now() -> str:
    """The time as records hold it: UTC, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Store:
    """``.deploy-state``: ``current.json``, ``history/<id>.json`` and ``hardware/<target>.json``.

    ``scrubber``: takes secrets out of all that is written.
    """

    def __init__(self, folder: Path, scrubber: Scrubber | None = None) -> None:
        self.folder = folder
        self.scrubber = scrubber or Scrubber({})
        self.history = folder / "history"
        self.hardware = folder / "hardware"

    def path_of(self, deployment_id: str) -> Path:
        return self.history / f"{deployment_id}.json"

    def save(self, record: Record) -> None:
        """Write a record so that a reader, or a power cut, meets the old or the new one, whole."""
        self._write(record)
        self.make_current(record.deployment_id)

    def _write(self, record: Record) -> None:
        """What is sealed is what is written: without secrets."""
        record.seal = None
        if record.status == "running":
            text = running_text(record, self.scrubber)
        else:
            data = self.scrubber.scrub_values(record.model_dump(mode="json"))
            record.seal = data["seal"] = seal_of(data)
            text = json.dumps(data, indent=2, ensure_ascii=False) + "\n"
        write_atomically(self.path_of(record.deployment_id), text)

    def make_current(self, deployment_id: str) -> None:
        """Let ``current.json`` point to a record that is there."""
        link_atomically(self.folder / "current.json", f"history/{deployment_id}.json")

    def current(self) -> str | None:
        """The id of the record that ``current.json`` leads to, whether or not it is there."""
        link = self.folder / "current.json"
        try:
            return Path(os.readlink(link)).stem
        except OSError:
            pass
        try:  # whoever copied the folder may have copied what the link leads to
            return Head.model_validate_json(link.read_bytes()).deployment_id
        except (OSError, ValueError):
            return None

    def save_hardware(self, target: str, hardware: Mapping[str, Any]) -> None:
        """Keep what a target's machine was found to be."""
        write_atomically(self.hardware / f"{target}.json", json.dumps(hardware, indent=2) + "\n")

    def next_id(self) -> str:
        """An id that sorts after all there are: at most a second passes until there is one."""
        return next_id(self.ids())

    def ids(self) -> list[str]:
        """The ids of all records, oldest first."""
        names = (path.stem for path in self.history.glob("*.json"))
        return sorted(name for name in names if not name.startswith("."))

    def read(self, deployment_id: str) -> Record | None:
        """A record, or None where its file cannot be read as one."""
        try:
            return parse(self.path_of(deployment_id).read_bytes())
        except (OSError, Unreadable):
            return None

    def extract(self, model: type[Part], deployment_id: str) -> Part | None:
        """A part of a record, or None where its file cannot be read."""
        try:
            return extract(model, self.path_of(deployment_id).read_bytes())
        except (OSError, Unreadable):
            return None

    def records(self) -> Iterator[Record]:
        """All records that can be read, oldest first."""
        for deployment_id in self.ids():
            if record := self.read(deployment_id):
                yield record

    def last(self) -> Record | None:
        """The newest record, if it can be read."""
        ids = past(self.ids())
        return self.read(ids[-1]) if ids else None

    def newest(self) -> Previous | None:
        """The id of the newest record that is closed, and the hash of its file, if there is one.

        An open one will be written again, and a file that is no record may be replaced: a hash of
        them would not last.
        """
        for deployment_id in reversed(past(self.ids())):
            try:
                content = self.path_of(deployment_id).read_bytes()
                head = Head.model_validate_json(content)
            except (OSError, ValueError):
                continue
            if head.status != "running":
                sha256 = hashlib.sha256(content).hexdigest()
                return Previous(deployment_id=deployment_id, sha256=sha256)
        return None

    def effects(self) -> dict[str, dict[str, Effects]]:
        """What each deployment did to what is ours on each target, oldest first; pruned or not."""
        try:
            found = {key: each.targets for key, each in read_pruned(self.folder).records.items()}
        except Unreadable:
            found = {}
        for deployment_id in self.ids():
            if made := self.extract(Made, deployment_id):
                found[deployment_id] = effects(made)
        return dict(sorted(found.items()))

    def owned(self, target: str, until: str | None = None, machine: str = "") -> list[Owned]:
        """What is ours on a target, in the order of its creation: now, or after one deployment.

        ``machine``: the one that it is now, where that is known; another's are not ours.
        """
        told = self.effects().items()
        chosen = (
            (key, each[target])
            for key, each in told
            if target in each and (until is None or key <= until)
        )
        return add_up(chosen, machine)

    def close_left_open(self, hostname: str) -> list[str]:
        """Close as interrupted what a crash left open on this computer; returns their ids.

        A record whose process still runs is left alone, as is one of another computer.
        """
        closed = []
        sweep(self.history)
        for deployment_id in self.ids():
            head = self.extract(Head, deployment_id)
            record = self.read(deployment_id) if head and head.status == "running" else None
            if record is None or record.deployer.hostname != hostname or runs(record.deployer.pid):
                continue
            record.close("interrupted", now())
            self._write(record)
            closed.append(deployment_id)
        return closed


def was_interrupted(record: Record) -> bool:
    """Whether a deployment did not come to its end: told to stop, or cut off on this computer."""
    if record.status == "running" and record.deployer.hostname == gethostname():
        return not runs(record.deployer.pid)
    return record.status == "interrupted"
