"""Brings a checkout's history and the copies on its targets together."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from pyinfra.api import Host

from facts.hardware import Machine
from facts.records import FOLDER, SUFFIX
from state.connection import run_command
from state.copies import (
    LIMIT_S,
    MAX_PACKED_BYTES,
    MAX_UNPACKED_BYTES,
    get_copies,
    list_copies,
    put_copies,
)
from state.ids import is_id
from state.owned import effects
from state.reading import Unreadable, parse
from state.record import Record
from state.signing import unsigned
from state.store import Store
from state.writing import write_atomically

ACCEPT = "python -m state accept"
# How many names that are none are shown, and how much of each.
_SHOWN, _SHOWN_CHARACTERS = 3, 40


@dataclass
class Synced:
    """What came of it. ``got``: id → the target that had it; ``problems``: a sentence each."""

    got: dict[str, str] = field(default_factory=dict)
    put: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def sync(store: Store, hosts: Iterable[Host], pruned: Iterable[str] = ()) -> Synced:
    """Get the records that are on targets alone, and put those there that they lack.

    What is there on both sides must be the same: which of two is right, only a person can tell. A
    copy that only lacks today's signature is replaced by ours. ``pruned``: those that were taken
    away here on purpose.
    """
    hosts, done, forgotten = list(hosts), Synced(), set(pruned)
    listed: dict[Host, Mapping[str, str]] = {}
    outdated: dict[Host, set[str]] = {}
    for host in hosts:
        try:
            listed[host] = list_copies(host)
            outdated[host], problems = _compare(store, host, listed[host])
            done.problems += problems
            got, problems = get_missing(store, host, listed[host], forgotten)
            done.got |= dict.fromkeys(got, host.name)
            done.problems += problems
        except OSError as error:
            done.problems.append(f"{host.name} did not tell which records it has: {error}")
    if trusted := [each for each in store.ids() if store.trusts_id(each)]:
        store.make_current(trusted[-1])
    for host, has in listed.items():
        try:
            replaced = outdated.get(host, set())
            problems = put_copies(store, host, has.keys() - replaced)
            done.problems += problems
            done.put[host.name] = len(list_copies(host)) - len(has) + len(replaced)
            if not problems:
                store.signing.sent(host.name)
        except OSError as error:
            done.problems.append(f"{host.name} did not tell which records it has: {error}")
    return done


def get_missing(
    store: Store, host: Host, has: Iterable[str], pruned: Iterable[str] = (), keep: bool = True
) -> tuple[list[str], list[str]]:
    """Get the records of a target that are not here: their ids, and what went wrong.

    Only a record that is signed with the operators' key and that concerns the target is taken.
    Nothing of any other is read. Raises OSError where the target does not answer.

    + has: the ids of those that it has, as it says
    + keep: whether to write them into the history; otherwise what they tell counts in this run
    """
    got, problems = [], []
    said = {*has}
    if strange := sorted(each for each in said if not is_id(each)):
        shown = ", ".join(ascii(each[:_SHOWN_CHARACTERS]) for each in strange[:_SHOWN])
        more = f" and {len(strange) - _SHOWN} more" if len(strange) > _SHOWN else ""
        problems.append(
            f"{host.name} has copies whose names are no deployment's: {shown}{more}; they are left"
            f" alone; find out who put them into {FOLDER} there"
        )
    here = {*store.ids(), *store.unwritten}
    missing = sorted({each for each in said if is_id(each)} - here - {*pruned})
    unsigned_ones = []
    for name, content in get_copies(host, missing):
        if content and store.judge(content) == "unsigned":
            unsigned_ones.append(name)
        elif problem := _refusal(store, host, name, content):
            problems.append(problem)
        elif content:
            if keep:
                write_atomically(store.path_of(name), content.decode())
            else:
                store.unwritten[name] = effects(parse(content))
            got.append(name)
    if unsigned_ones:
        problems.append(_not_signed(host, unsigned_ones))
    return got, problems


def _not_signed(host: Host, names: Sequence[str]) -> str:
    """Name the copies without a signature: a target may have many, of before there were any."""
    shown = ", ".join(names[-_SHOWN:])
    more = f" and {len(names) - _SHOWN} older ones" if len(names) > _SHOWN else ""
    is_one = len(names) == 1
    return (
        f"the {'copy' if is_one else 'copies'} of {shown}{more} on {host.name}"
        f" {'is not signed: it is' if is_one else 'are not signed: they are'} left alone, as"
        f" anybody may have written {'it' if is_one else 'them'} there; if this is history of"
        " before records were signed, deploy or sync from the checkout that has it; otherwise"
        f" {ACCEPT} {names[-1]} --from {host.name} shows what it says, and signs it if you say so"
    )


def _refusal(store: Store, host: Host, name: str, content: bytes | None) -> str:
    """Tell why a copy is not taken from a target; nothing if it is."""
    copy = f"the copy of {name} on {host.name}"
    if content is None:
        return (
            f"{copy} is larger than any record ({MAX_PACKED_BYTES / 1e6:g} MB packed,"
            f" {MAX_UNPACKED_BYTES / 1e6:g} MB unpacked): it is left alone; find out who put it"
            f" into {FOLDER} there"
        )
    if not content.strip():
        return f"{copy}: an empty file; put it back from another copy of the history"
    trust = store.judge(content)
    if trust is None:
        return f"{copy} is left alone: there is no key to tell who wrote it"
    if trust != "signed":
        said = "was altered after it was signed" if trust == "altered" else f"is {trust}"
        return (
            f"{copy} {said}: it is left alone, as anybody may have"
            f" written it there; {ACCEPT} {name} --from {host.name} shows it, and signs it if you"
            " say so"
        )
    try:
        record = parse(content)
    except Unreadable as error:
        return f"{copy}: {error.found}; {error.remedy}"
    if record.deployment_id != name:
        return f"the copy {name} on {host.name} is of {record.deployment_id}: it is left alone"
    if host.name not in record.targets and not _is_about_machine(host, record):
        concerned = ", ".join(record.targets) or "no target"
        return f"{copy} is about {concerned}, not about {host.name}: it is left alone"
    return ""


def _is_about_machine(host: Host, record: Record) -> bool:
    """Tell whether a record is about the machine of a host, by another name that it had."""
    _, output = run_command(host, Machine().command(), "", LIMIT_S)
    machines = {str((each.hardware or {}).get("machine", "")) for each in record.targets.values()}
    return bool({*output.stdout_lines} & machines - {""})


def _compare(store: Store, host: Host, has: Mapping[str, str]) -> tuple[set[str], list[str]]:
    """Compare the copies of a target with the records here.

    Returns the ids of those that differ in their signature alone, and what is wrong with others.
    """
    differing = []
    for name in sorted({*store.ids()} & has.keys()):
        if hashlib.sha256(store.path_of(name).read_bytes()).hexdigest() != has[name]:
            differing.append(name)
    outdated, problems = set(), []
    for name, content in get_copies(host, differing):
        own = store.path_of(name).read_bytes()
        if content and store.judge(own) == "signed" and unsigned(content) == unsigned(own):
            outdated.add(name)
            continue
        problems.append(
            f"{name} differs from its copy on {host.name}: one of them was changed; compare"
            f" {store.path_of(name)} with what zcat {FOLDER}/{name}{SUFFIX} prints there"
        )
    return outdated, problems
