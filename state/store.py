"""The folder of records: written atomically, newest by a link, left-open ones closed."""

import json
import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from socket import gethostname
from typing import Any

from state.ids import next_id, past
from state.owned import Effects, Made, Owned, add_up, concerning, effects
from state.processes import runs
from state.pruning import read_pruned, sign_pruned
from state.reading import Head, Part, Unreadable, extract, parse
from state.record import Previous, Record
from state.running import running_text
from state.scrubbing import Scrubber
from state.sealing import seal_of
from state.signing import RecordKey, Trust, sha256_of
from state.signing_state import SigningState
from state.writing import link_atomically, sweep, write_atomically

FOLDER = ".deploy-state"


def now() -> str:
    """The time as records hold it: UTC, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Store:
    """``.deploy-state``: ``current.json``, ``history/<id>.json`` and ``hardware/<target>.json``.

    ``scrubber``: takes secrets out of all that is written. ``key``: signs what is written, and
    tells which records are ours; without it, records are shown, and nobody knows who wrote them.
    """

    def __init__(
        self, folder: Path, scrubber: Scrubber | None = None, key: RecordKey | None = None
    ) -> None:
        self.folder = folder
        self.key = key
        # Why there is no key, for whoever looks at records that nobody could verify.
        self.without_key = ""
        self.scrubber = scrubber or Scrubber({})
        # What a dry run has learnt from targets: it writes no record.
        self.unwritten: dict[str, dict[str, Effects]] = {}
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
            plain = record.model_dump(mode="json", exclude={"signature"})
            data = self.scrubber.scrub_values(plain)
            record.seal = data["seal"] = seal_of(data)
            text = json.dumps(data, indent=2, ensure_ascii=False) + "\n"
        signed = self.key.sign(text) if self.key else text
        write_atomically(self.path_of(record.deployment_id), signed)

    def judge(self, content: bytes) -> Trust | None:
        """Tell whether a record's bytes are signed by the operators; None without the key."""
        return self.key.judge(content) if self.key else None

    def trusts(self, content: bytes) -> bool:
        """Tell whether to plan from a record of this folder.

        Until the history has been signed once, records without a signature are those of before.
        """
        trust = self.judge(content)
        return trust in (None, "signed") or (trust == "unsigned" and not self.signing.exists)

    def trusts_id(self, deployment_id: str) -> bool:
        """Tell the same of a record by its id; False for one that cannot be read."""
        try:
            return self.trusts(self.path_of(deployment_id).read_bytes())
        except OSError:
            return False

    @property
    def signing(self) -> SigningState:
        """How far the history has been signed."""
        return SigningState(self.folder)

    def distrusted(self) -> dict[str, str]:
        """Return id → what is wrong with its signature, of records that are left alone."""
        found = {}
        for deployment_id in self.ids() if self.key else ():
            content = self.path_of(deployment_id).read_bytes()
            if not self.trusts(content):
                found[deployment_id] = str(self.judge(content))
        return found

    def sign_history(self) -> list[str]:
        """Sign once what was written before records were signed; return the ids.

        Raises OSError. Does nothing without a key, or if it was done before.
        """
        if self.key is None or self.signing.exists:
            return []
        signed = [each for each in self.ids() if self._sign(each, self.key)]
        self.resign(self.key)
        return signed

    def resign(self, key: RecordKey) -> None:
        """Note that a key signs here now, and that targets lack copies signed with it.

        The list of what was pruned is signed with it as well. Raises OSError.
        """
        sign_pruned(self.folder, key)
        self.signing.save(key.id, {each: self._targets_of(each) for each in self.ids()})

    def _sign(self, deployment_id: str, key: RecordKey) -> bool:
        """Sign a record that has no signature; tell whether that was done. Raises OSError."""
        path = self.path_of(deployment_id)
        content = path.read_bytes()
        if key.judge(content) != "unsigned" or not content.endswith(b"}\n"):
            return False
        write_atomically(path, key.sign(content.decode()))
        return True

    def _targets_of(self, deployment_id: str) -> list[str]:
        made = self.extract(Made, deployment_id)
        return list(made.targets) if made else []

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

    def _trusted(self, model: type[Part], deployment_id: str) -> Part | None:
        """A part of a record that is ours, or None."""
        try:
            content = self.path_of(deployment_id).read_bytes()
            return extract(model, content) if self.trusts(content) else None
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
            if head.status != "running" and self.trusts(content):
                return Previous(deployment_id=deployment_id, sha256=sha256_of(content))
        return None

    def effects(self) -> dict[str, dict[str, Effects]]:
        """What each deployment did to what is ours on each target, oldest first; pruned or not.

        Without those whose signature does not hold.
        """
        try:
            pruned = read_pruned(self.folder, None if not self.signing.exists else self.key)
            found = {key: each.targets for key, each in pruned.records.items()}
        except Unreadable:
            found = {}
        found |= self.unwritten
        for deployment_id in self.ids():
            if made := self._trusted(Made, deployment_id):
                found[deployment_id] = effects(made)
        return dict(sorted(found.items()))

    def owned(self, target: str, until: str | None = None, machine: str = "") -> list[Owned]:
        """What is ours on a target, in the order of its creation: now, or after one deployment.

        ``machine``: the one that it is now, where that is known. What was done to it by another
        name counts; what was done to another machine by this name does not.
        """
        told = [(key, each) for key, each in self.effects().items() if not until or key <= until]
        return add_up(concerning(told, target, machine))

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
            if not self.trusts_id(deployment_id):
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
