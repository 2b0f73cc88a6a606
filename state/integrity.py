"""Proves the history: what was changed, is missing, cut off or out of its order.

Every closed record is sealed, and names the record before it with the hash of its file. Two
records may name the same one, and several none: histories of two operators were merged.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from state.pruning import FILE, Pruned, read_pruned
from state.reading import Newer, Unreadable, parse
from state.record import Previous, Record
from state.sealing import seal_of
from state.signing import sha256_of
from state.store import Store

Kind = Literal[
    "changed",
    "missing",
    "truncated",
    "unreadable",
    "newer",
    "reordered",
    "not signed",
    "left open",
    "unproven",
]
NOTES: frozenset[Kind] = frozenset({"left open", "unproven"})
_LOOK = (
    "nothing is planned from it; put it back from another copy, or look at it and sign it: python"
    " -m state accept {}"
)
_FROM_A_COPY = "compare it with another copy of the history, and put that one back"


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it was written.

    deployment_id: the record's, or the name of another file. what, remedy: sentences; the latter is
    empty where there is nothing to do.
    """

    deployment_id: str
    kind: Kind
    what: str
    remedy: str

    @property
    def is_note(self) -> bool:
        """Whether it is good to know, and no problem."""
        return self.kind in NOTES


@dataclass(frozen=True)
class _Link:
    """All that is remembered of a record, so that a long history needs no memory.

    sound: no finding is about what it holds. sealed: whether it has a seal of its own.
    """

    sha256: str
    version: str
    sealed: bool
    sound: bool
    started_at: str
    completed_at: str | None
    previous: Previous | None


@dataclass(frozen=True)
class Verdict:
    """What came of reading the whole history. records: how many there are.

    signed: whether signatures were verified.
    """

    records: int
    pruned: int
    findings: list[Finding]
    signed: bool = False

    @property
    def problems(self) -> list[Finding]:
        """What must be looked at."""
        return [each for each in self.findings if not each.is_note]


def verify(store: Store) -> Verdict:
    """Read and prove every record; changes nothing, and raises nothing."""
    links: dict[str, _Link] = {}
    findings: list[Finding] = []
    ids = store.ids()
    for deployment_id in ids:
        link, found = _read(store, deployment_id)
        findings += found
        if link:
            links[deployment_id] = link
    try:
        pruned = read_pruned(store.folder, store.key if store.signing.exists else None)
        if pruned.records and not pruned.sealed:
            what = "it is not what was written: somebody changed the list of what was pruned"
            findings.append(Finding(FILE, "changed", what, _FROM_A_COPY))
    except Unreadable as error:
        pruned = Pruned()
        findings.append(Finding(FILE, "unreadable", error.found, error.remedy))
    findings += _chain(links, set(ids), pruned)
    findings += _current(store, set(ids), pruned)
    position = {each: number for number, each in enumerate(ids)}
    findings.sort(key=lambda each: position.get(each.deployment_id, -1))
    is_signed = store.key is not None and store.signing.exists
    return Verdict(len(ids), len(pruned.records), findings, is_signed)


def _read(store: Store, deployment_id: str) -> tuple[_Link | None, list[Finding]]:
    """What a record's file says of itself."""
    try:
        content = store.path_of(deployment_id).read_bytes()
        record = parse(content)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        remedy = "let your user read it"
        return None, [Finding(deployment_id, "unreadable", reason, remedy)]
    except Newer as error:
        return None, [Finding(deployment_id, "newer", error.found, error.remedy)]
    except Unreadable as error:
        cut = error.found.startswith(("cut off", "an empty"))
        kind: Kind = "truncated" if cut else "unreadable"
        return None, [Finding(deployment_id, kind, error.found, error.remedy)]
    found = [*_signature(store, deployment_id, content)]
    found += _contents(deployment_id, record, content)
    link = _Link(
        sha256=sha256_of(content),
        version=record.version,
        sealed=record.seal is not None,
        sound=not any(each.kind in ("changed", "not signed") for each in found),
        started_at=record.started_at,
        completed_at=record.completed_at,
        previous=record.previous,
    )
    return link, found


def _signature(store: Store, deployment_id: str, content: bytes) -> Iterator[Finding]:
    if not store.trusts(content):
        trust = store.judge(content)
        kind: Kind = "changed" if trust == "altered" else "not signed"
        yield Finding(deployment_id, kind, f"its signature: {trust}", _LOOK.format(deployment_id))


def _contents(deployment_id: str, record: Record, content: bytes) -> Iterator[Finding]:
    if record.deployment_id != deployment_id:
        yield Finding(
            deployment_id,
            "reordered",
            f"the file holds the deployment {record.deployment_id}",
            f"rename it to {record.deployment_id}.json, unless that is there: then remove it",
        )
    if record.status == "running":
        yield Finding(
            deployment_id,
            "left open",
            f"it runs now on {record.deployer.hostname}, or was cut off there",
            "the next deploy from that computer closes it",
        )
    elif record.seal is None and record.version != "5.0":
        what = "its seal was taken off: what it says may have been changed"
        yield Finding(deployment_id, "changed", what, _FROM_A_COPY)
    if record.seal and record.seal != seal_of(json.loads(content)):
        what = "it is not what was written: its seal does not match what it says"
        yield Finding(deployment_id, "changed", what, _FROM_A_COPY)


def _chain(links: dict[str, _Link], present: set[str], pruned: Pruned) -> Iterator[Finding]:
    """What records say of those before them. Each record is blamed once."""
    blamed = {each for each, link in links.items() if not link.sound}
    for deployment_id, link in links.items():
        before = link.previous
        if before is None:
            continue
        name = before.deployment_id
        if name >= deployment_id:
            yield Finding(
                deployment_id,
                "reordered",
                f"it names {name} as the record before it, which is newer",
                _FROM_A_COPY,
            )
        gone = pruned.records.get(name)
        if name not in present and gone is None:
            if name not in blamed:
                yield Finding(
                    name,
                    "missing",
                    f"{deployment_id} came after it, and it is not there; nobody pruned it",
                    "put it back from another copy of the history",
                )
            blamed.add(name)
            continue
        found = links.get(name)
        sha256 = found.sha256 if found else gone.sha256 if gone and name not in present else None
        # The word of a record that was itself changed proves nothing.
        if sha256 in (None, before.sha256) or not link.sound or name in blamed:
            continue
        if found and _was_open(found, link):
            yield Finding(
                name,
                "unproven",
                f"it was still open when {deployment_id} began; "
                + (
                    "only its own seal vouches for it" if found.sealed else "nothing vouches for it"
                ),
                "",
            )
        else:
            yield Finding(
                name,
                "changed",
                f"{deployment_id} came after it, and names another content of it",
                _FROM_A_COPY,
            )
        blamed.add(name)


def _was_open(found: _Link, successor: _Link) -> bool:
    """Up to schema 5.0 a record that was still written could be named, too."""
    over = found.completed_at is not None and found.completed_at < successor.started_at
    return successor.version == "5.0" and not over


def _current(store: Store, present: set[str], pruned: Pruned) -> Iterator[Finding]:
    current = store.current()
    if current is not None and current not in present:
        what = "current.json leads to it, and it is not there"
        if current in pruned.records:
            what += "; it was pruned"
        yield Finding(
            current, "missing", what, "put it back from another copy; a deploy mends the link"
        )
    elif current is None and os.path.lexists(store.folder / "current.json"):
        what = "it leads to no record"
        yield Finding("current.json", "unreadable", what, "remove it; the next deploy makes it")
