"""Takes the oldest records away, and keeps what later commands need of them.

``pruned.json`` holds the hash of each, and what each created and removed: what is ours is added up
in the order of time over these and the records that are there, so that an older record that a
merge brings in later still counts at its own place.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from state.owned import Effects, effects
from state.reading import Unreadable, parse
from state.record import Record, Sha256, Signature
from state.sealing import seal_of
from state.signing import RecordKey, sha256_of
from state.writing import sweep, sync, write_atomically

if TYPE_CHECKING:
    from state.store import Store

FILE = "pruned.json"


class PrunedRecord(BaseModel):
    """What is kept of a record. ``sha256``: of its file. ``targets``: what it did to each."""

    model_config = ConfigDict(extra="forbid")

    sha256: Sha256
    targets: dict[str, Effects] = {}


class Pruned(BaseModel):
    """``pruned.json``, sealed as a record is."""

    model_config = ConfigDict(extra="forbid")

    version: Literal["1"] = "1"
    records: dict[str, PrunedRecord] = {}
    seal: Sha256 | None = None
    signature: Signature | None = None

    @property
    def sealed(self) -> bool:
        """Whether it is what was written."""
        return self.seal == seal_of(self.model_dump(mode="json"))


@dataclass(frozen=True)
class Removal:
    """What a prune took away. ``removed``, ``kept``: ids, oldest first; the kept ones would have
    been too old, each with why it stays. ``freed``: the bytes of the removed files.
    """

    removed: list[str]
    kept: dict[str, str]
    freed: int


def read_pruned(folder: Path, key: RecordKey | None = None) -> Pruned:
    """What was pruned in ``folder``; nothing where nothing was. Raises Unreadable.

    ``key``: the one that must have signed it, if that matters.
    """
    try:
        content = (folder / FILE).read_bytes()
        if key and (trust := key.judge(content, "pruned")) != "signed":
            raise Unreadable(trust, "put it back from another copy of the history")
        return Pruned.model_validate_json(content)
    except FileNotFoundError:
        return Pruned()
    except OSError as error:
        raise Unreadable(f"cannot be read: {(error.strerror or str(error)).lower()}") from None
    except ValidationError:
        raise Unreadable(
            "cut off, or changed by hand", "put it back from another copy of the history"
        ) from None


def sign_pruned(folder: Path, key: RecordKey) -> None:
    """Sign the list of what was pruned as it is, if there is one. Raises OSError."""
    path = folder / FILE
    try:
        is_one = bool(read_pruned(folder).records)
    except Unreadable:
        is_one = False
    if is_one:
        write_atomically(path, key.sign(path.read_text(), "pruned"))


def prune(store: "Store", keep: int) -> Removal:
    """Take away what is older than the newest ``keep`` (at least 1) records.

    Not one that is open or that we cannot read, nor the current one. Killed anywhere, a repeat
    completes it. Raises Unreadable if the list of what was pruned is, and OSError.
    """
    if not store.history.is_dir():
        return Removal([], {}, 0)
    pruned = read_pruned(store.folder, store.key if store.signing.exists else None)
    current = store.current()
    distrusted = store.distrusted()
    removed: list[str] = []
    kept: dict[str, str] = {}
    freed = 0
    for deployment_id in store.ids()[:-keep]:
        try:
            content = store.path_of(deployment_id).read_bytes()
            record = parse(content)
        except (OSError, Unreadable) as error:
            kept[deployment_id] = str(error)
            continue
        if why := distrusted.get(deployment_id) or _needed(deployment_id, record, current):
            kept[deployment_id] = why
            continue
        pruned.records[deployment_id] = PrunedRecord(
            sha256=sha256_of(content), targets=effects(record)
        )
        removed.append(deployment_id)
        freed += len(content)
    if removed:
        _write(store.folder, pruned, store.key)
        for deployment_id in removed:
            store.path_of(deployment_id).unlink(missing_ok=True)
        sync(store.history)
    sweep(store.history)
    return Removal(removed, kept, freed)


def _needed(deployment_id: str, record: Record, current: str | None) -> str:
    """Why a record stays, however old; nothing if it may go."""
    if record.status == "running":
        return "still open"
    if record.deployment_id != deployment_id:
        return f"the file holds the deployment {record.deployment_id}"
    return "current" if deployment_id == current else ""


def _write(folder: Path, pruned: Pruned, key: RecordKey | None) -> None:
    pruned.records = dict(sorted(pruned.records.items()))
    pruned.seal = seal_of(pruned.model_dump(mode="json"))
    text = pruned.model_dump_json(exclude={"signature"}) + "\n"
    write_atomically(folder / FILE, key.sign(text, "pruned") if key else text)
