"""The folder of records: written atomically, newest by a link, left-open ones closed."""

import hashlib
import json
import os
import secrets
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from state.owned import Owned, owned
from state.record import Previous, Record
from state.scrubbing import Scrubber

FOLDER = ".deploy-state"


def now() -> str:
    """The time as records hold it: UTC, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def new_id() -> str:
    """A deployment's id, ``YYYYMMDD-HHMMSS-xxxxxx`` (UTC, and 24 random bits)."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"


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
        path = self.path_of(record.deployment_id)
        data = self.scrubber.scrub_values(record.model_dump(mode="json"))
        write_atomically(path, json.dumps(data, indent=2, ensure_ascii=False) + "\n")
        self.make_current(record.deployment_id)

    def make_current(self, deployment_id: str) -> None:
        """Let ``current.json`` point to a record that is there."""
        current = self.folder / "current.json"
        wanted = f"history/{self.path_of(deployment_id).name}"
        if current.is_symlink() and os.readlink(current) == wanted:
            return
        new = self.folder / f".current.{os.getpid()}"
        new.unlink(missing_ok=True)
        new.symlink_to(wanted)
        new.replace(current)

    def save_hardware(self, target: str, hardware: Mapping[str, Any]) -> None:
        """Keep what a target's machine was found to be."""
        write_atomically(self.hardware / f"{target}.json", json.dumps(hardware, indent=2) + "\n")

    def next_id(self) -> str:
        """An id that sorts after all there are: at most a second passes until there is one."""
        newest = max(self.ids(), default="")
        while (deployment_id := new_id())[:15] <= newest[:15]:
            if newest[:15] > f"{datetime.now(UTC) + timedelta(seconds=2):%Y%m%d-%H%M%S}":
                break  # a record of the future: some clock was wrong, and waiting does not help
            time.sleep(0.05)
        return deployment_id

    def ids(self) -> list[str]:
        """The ids of all records, oldest first."""
        return sorted(path.stem for path in self.history.glob("*.json"))

    def read(self, deployment_id: str) -> Record | None:
        """A record, or None where its file cannot be read as one."""
        try:
            return Record.model_validate_json(self.path_of(deployment_id).read_bytes())
        except (OSError, ValidationError):
            return None

    def records(self) -> Iterator[Record]:
        """All records that can be read, oldest first."""
        for deployment_id in self.ids():
            if record := self.read(deployment_id):
                yield record

    def owned(self, target: str) -> list[Owned]:
        """What is ours on a target, in the order of its creation."""
        return owned(self.records(), target)

    def newest(self) -> Previous | None:
        """The newest record's id and the hash of its file; None where there is none."""
        for deployment_id in reversed(self.ids()):
            content = self.path_of(deployment_id).read_bytes()
            return Previous(deployment_id=deployment_id, sha256=hashlib.sha256(content).hexdigest())
        return None

    def close_left_open(self, hostname: str) -> list[str]:
        """Close as interrupted what a crash left open on this computer; returns their ids.

        A record whose process still runs is left alone, as is one of another computer.
        """
        closed = []
        for deployment_id in self.ids():
            record = self.read(deployment_id)
            if record is None or record.status != "running":
                continue
            if record.deployer.hostname == hostname and not _runs(record.deployer.pid):
                record.close("interrupted", now())
                write_atomically(
                    self.path_of(deployment_id), record.model_dump_json(indent=2) + "\n"
                )
                closed.append(deployment_id)
        return closed


def _runs(pid: int) -> bool:
    """Whether this is another pyinfra that runs now, and not a process that got its number."""
    if pid == os.getpid():
        return False
    try:
        os.kill(pid, 0)
        return b"pyinfra" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except ProcessLookupError:
        return False
    except OSError:
        # It is somebody else's, or this computer has no /proc: the careful answer.
        return True


def write_atomically(path: Path, text: str) -> None:
    """Write a file, mode 0600, by renaming a complete one over it; its folder is synced too."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
