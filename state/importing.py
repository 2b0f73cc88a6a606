"""Makes the state that version 4 left the first record of the history."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from configs.migration import OldDeployment, OldTarget
from configs.migration.old_state import Status as OldStatus
from configs.problems import ConfigurationError, Problem, shown
from configs.values import canonical_address
from state.record import Config, Deployer, Record, Status, Target, TargetStatus
from state.store import Store, now

SCRIPT_VERSION = "4.3.0"
_UNKNOWN = "unknown"
_START = (
    "The old state does not say, or not credibly, when its deployment was started: the record has "
    "the time when its file was written, {}."
)
_STAYS = "The old state was taken over before, from other files: its record stays as it is."
# Nothing of version 4 runs any more: what it left open was interrupted.
_STATUS: dict[OldStatus, Status] = {
    "initialized": "interrupted",
    "pending": "interrupted",
    "in_progress": "interrupted",
    "interrupted": "interrupted",
    "completed": "completed",
    "failed": "failed",
}
_TARGET_STATUS: dict[OldStatus, TargetStatus] = {
    "initialized": "pending",
    "pending": "pending",
    "in_progress": "interrupted",
    "interrupted": "interrupted",
    "completed": "completed",
    "failed": "failed",
}


@dataclass(frozen=True)
class Import:
    """The record of the old state, and whether the history takes it or has it already.

    notes: what the operator should know of it, in sentences.
    """

    record: Record
    store: Store
    taken: bool
    notes: tuple[str, ...]

    @property
    def path(self) -> Path | None:
        """Where the record is, or will be once it is saved; None if the history has others."""
        return self.store.path_of(self.record.deployment_id) if self.taken else None

    def save(self) -> None:
        """Write what is not there yet; a record that is there stays as it is.

        Raises ConfigurationError.
        """
        if not self.taken:
            return
        present, own = self.store.ids(), self.record.deployment_id
        try:
            if not present:
                self.store.save(self.record)
            elif present == [own]:
                self.store.make_current(own)  # a kill may have come before it
        except OSError as error:
            raise _unusable(
                self.store.folder, f"the record could not be written: {_reason(error)}"
            ) from None


def prepare(
    old: OldDeployment,
    targets: Mapping[str, Mapping[str, Any]],
    inventory_sha256: str,
    store: Store,
) -> Import:
    """Judge whether the old state can become the first record; writes nothing.

    targets: the new inventory's, each with its role and address. inventory_sha256: hexadecimal, of
    the old inventory's bytes. Raises ConfigurationError if the history cannot be read or written.
    """
    _refuse_unusable(store)
    usable = bool(old.started_at) and old.started_at <= now()
    started_at = old.started_at if usable else old.modified_at
    record = _record(old, targets, inventory_sha256, started_at)
    present = store.ids()
    if present and record.deployment_id not in present:
        return Import(record, store, False, (_not_first(store),))
    notes = [] if usable else [_START.format(started_at)]
    if present and not _same(store.read(record.deployment_id), record):
        notes.append(_STAYS)
    return Import(record, store, True, tuple(notes))


def _same(there: Record | None, record: Record) -> bool:
    """Whether both say the same; the seal, and the schema's version, came with its writing."""
    said = [
        each and each.model_dump(exclude={"seal", "signature", "version"})
        for each in (there, record)
    ]
    return said[0] == said[1]


def _not_first(store: Store) -> str:
    return (
        f"The old state is not in the history: {shown(store.history)} has records already, so "
        "it would not be the first one."
    )


def _record(
    old: OldDeployment,
    targets: Mapping[str, Mapping[str, Any]],
    inventory_sha256: str,
    started_at: str,
) -> Record:
    settings: dict[str, dict[str, Any]] = {}
    completed_at = _end(old)
    return Record(
        deployment_id=_id(started_at, old.sha256),
        status=_STATUS[old.status],
        deployer=Deployer(user=_UNKNOWN, hostname=_UNKNOWN, ip=_UNKNOWN, pid=0),
        started_at=started_at,
        completed_at=completed_at,
        duration_s=_seconds(old.started_at, completed_at),
        config=Config(
            inventory_sha256=inventory_sha256,
            script_version=SCRIPT_VERSION,
            settings=settings,
            settings_sha256=hashlib.sha256(json.dumps(settings).encode()).hexdigest(),
        ),
        tools={},
        targets={
            name: _target(entry, old.targets.get(name, OldTarget("pending")))
            for name, entry in targets.items()
        },
    )


def _id(started_at: str, sha256: str) -> str:
    """The same for the same state, however often it is taken over."""
    day, _, time = started_at.removesuffix("Z").partition("T")
    return f"{day.replace('-', '')}-{time.replace(':', '')}-{sha256[:6]}"


def _target(entry: Mapping[str, Any], old: OldTarget) -> Target:
    return Target(
        role=str(entry["role"]),
        address=canonical_address(str(entry["address"])),
        status=_TARGET_STATUS[old.status],
        completed_at=_target_end(old),
    )


def _end(old: OldDeployment) -> str | None:
    """When it ended, if version 4 saw it end: its own time, else that of the last target."""
    if old.status not in ("completed", "failed", "interrupted"):
        return None
    ends = [end for target in old.targets.values() if (end := _target_end(target))]
    return old.updated_at or max(ends, default=None)


def _target_end(old: OldTarget) -> str | None:
    if old.status == "completed":
        return old.completed_at or old.updated_at or None
    # An earlier success may have left its time behind.
    return old.updated_at or None if old.status in ("failed", "interrupted") else None


def _seconds(start: str, end: str | None) -> float | None:
    if not start or not end or end < start:
        return None
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()


def _refuse_unusable(store: Store) -> None:
    """What is there already, or else the folder that it will be made in, must be usable."""
    for place in (store.folder, store.history):
        existing = next(
            each for each in (place, *place.absolute().parents) if os.path.lexists(each)
        )
        if not os.path.isdir(existing):
            raise _unusable(existing, "no folder")
        if not os.access(existing, os.R_OK | os.W_OK | os.X_OK):
            raise _unusable(existing, "permission denied")


def _unusable(place: Path, found: str) -> ConfigurationError:
    expected = "a folder for the records that you can read and write, with space left"
    remedy = "correct that and run the command again; what was there before is unchanged"
    return ConfigurationError([Problem(shown(place), "", found, expected, remedy)])


def _reason(error: OSError) -> str:
    return (error.strerror or type(error).__name__).lower()
