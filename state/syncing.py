"""Brings a checkout's history and the copies on its targets together."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pyinfra.api import Host

from facts.records import FOLDER, SUFFIX
from state.copies import get_copies, list_copies, put_copies
from state.reading import Unreadable, parse
from state.store import Store
from state.writing import write_atomically


@dataclass
class Synced:
    """What came of it. ``got``: id → the target that had it; ``problems``: a sentence each."""

    got: dict[str, str] = field(default_factory=dict)
    put: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def sync(store: Store, hosts: Iterable[Host], pruned: Iterable[str] = ()) -> Synced:
    """Get the records that are on targets alone, and put those there that they lack.

    What is there on both sides must be the same: which of two is right, only a person can tell.
    ``pruned``: those that were taken away here on purpose.
    """
    hosts, done, forgotten = list(hosts), Synced(), set(pruned)
    listed: dict[Host, Mapping[str, str]] = {}
    for host in hosts:
        try:
            listed[host] = list_copies(host)
            done.problems += _differing(store, host, listed[host])
            got, problems = get_missing(store, host, listed[host], forgotten)
            done.got |= dict.fromkeys(got, host.name)
            done.problems += problems
        except OSError as error:
            done.problems.append(f"{host.name} did not tell which records it has: {error}")
    if ids := store.ids():
        store.make_current(ids[-1])
    for host, has in listed.items():
        done.problems += put_copies(store, host, list(has))
        done.put[host.name] = len(list_copies(host)) - len(has)
    return done


def get_missing(
    store: Store, host: Host, has: Iterable[str], pruned: Iterable[str] = ()
) -> tuple[list[str], list[str]]:
    """Get the records of a target that are not here: their ids, and what went wrong.

    ``has``: the ids of those that it has. Raises OSError where it does not answer.
    """
    got, problems = [], []
    missing = sorted({*has} - {*store.ids()} - {*pruned})
    for name, content in (get_copies(host, missing) if missing else {}).items():
        try:
            record = parse(content)
        except Unreadable as error:
            found = f"the copy of {name} on {host.name}: {error.found}"
            problems.append(f"{found}; {error.remedy}")
            continue
        if record.deployment_id != name:
            problems.append(f"the copy {name} on {host.name} is of {record.deployment_id}")
            continue
        write_atomically(store.path_of(name), content.decode())
        got.append(name)
    return got, problems


def _differing(store: Store, host: Host, has: Mapping[str, str]) -> list[str]:
    problems = []
    for name in sorted({*store.ids()} & has.keys()):
        own = hashlib.sha256(store.path_of(name).read_bytes()).hexdigest()
        if own != has[name]:
            problems.append(
                f"{name} differs from its copy on {host.name}: one of them was changed; compare"
                f" {store.path_of(name)} with what zcat {FOLDER}/{name}{SUFFIX} prints there"
            )
    return problems
