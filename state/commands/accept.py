"""Sign records that the history does not vouch for, after showing what they say.

A record is planned from only if it is signed with the key of your secrets. Copies that targets
hold from before records were signed, and records that somebody put into the folder by hand, are
left alone until you have looked at them.

--json: {"accepted": [ID, …]}; asks nothing, so it needs --yes.
"""

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from state.commands import terminal, words
from state.commands.alone import alone
from state.ids import is_id
from state.owned import effects
from state.reading import Unreadable, parse
from state.record import Record
from state.refusing import Refusal
from state.signing import unsigned
from state.store import Store
from state.writing import write_atomically

HELP = "sign records that the history does not vouch for, once you have looked at them"
NEEDS_KEY = True
_REMEDY = "take the record from another copy of the history, or leave it where it is"


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("id", metavar="ID", nargs="*", help="the whole ids of the records")
    parser.add_argument(
        "--from", dest="target", metavar="TARGET", help="take the copies that this target holds"
    )
    parser.add_argument(
        "--all", action="store_true", help="all records of the folder, after a change of the key"
    )
    parser.add_argument("--yes", action="store_true", help="ask nothing")


def run(chosen: argparse.Namespace, store: Store) -> int:
    """Show the records, and sign them if that is confirmed. Raises Refusal."""
    _check(chosen)
    with alone(store, "accept"):
        if chosen.target:
            with _copies(chosen.target, chosen.id) as contents:
                records = dict(_read(store, contents, chosen.target))
        else:
            ids = list(store.distrusted()) if chosen.all else chosen.id
            contents = {each: _content(store, each) for each in ids}
            records = dict(_read(store, contents, None))
        if not chosen.json:
            for record in records.values():
                _show(record, str(store.judge(contents[record.deployment_id])))
        if not records or not (chosen.yes or _is_confirmed(len(records))):
            accepted = []
        else:
            accepted = list(records)
            _sign(store, {each: contents[each] for each in accepted}, chosen.all)
    if chosen.json:
        terminal.document({"accepted": accepted})
    elif accepted:
        terminal.say(f"signed {words.count(len(accepted), 'record')}", "green")
    else:
        terminal.say("nothing was signed")
    return 0 if accepted or not records else 1


def _check(chosen: argparse.Namespace) -> None:
    if bool(chosen.id) == bool(chosen.all) or (chosen.target and chosen.all):
        raise Refusal(
            "neither or both of ids and --all",
            "the ids of records, or --all for all records of this folder",
            "python -m state verify names those that are not signed",
        )
    if wrong := [each for each in chosen.id if not is_id(each)]:
        raise Refusal(
            f"{wrong[0]!r}",
            "the whole id of a deployment, such as 20260131-120000-a1b2c3",
            "copy it from where it was named",
        )
    if chosen.json and not chosen.yes:
        raise Refusal("--json without --yes", "both, as nobody can be asked", "add --yes")


@contextmanager
def _copies(target: str, ids: list[str]) -> Iterator[dict[str, bytes]]:
    """The contents of copies on a target. Raises Refusal."""
    # They take long to import.
    from state.commands import remote
    from state.copies import get_copies

    with remote.targets([target]) as (hosts, failed):
        for each in failed:
            raise Refusal(f"{each.target}: {each.message}", "a target that answers", each.remedy)
        try:
            found = dict(get_copies(hosts[0], ids))
        except OSError as error:
            remedy = f"python -m state sync {target} names the copies that it has"
            raise Refusal(f"{target}: {error}", "copies of these records", remedy) from None
    if lost := [each for each in ids if not found.get(each)]:
        expected = f"a copy of a record on {target}, no larger than any record"
        remedy = f"python -m state sync {target} names the copies that it has"
        raise Refusal(f"no readable copy of {lost[0]} on {target}", expected, remedy)
    yield {name: content for name, content in found.items() if content}


def _content(store: Store, deployment_id: str) -> bytes:
    try:
        return store.path_of(deployment_id).read_bytes()
    except FileNotFoundError:
        raise Refusal(
            f"no record {deployment_id} in {store.history}",
            "a record of this folder",
            "for a copy on a target, name that: --from TARGET",
        ) from None


def _read(
    store: Store, contents: dict[str, bytes], target: str | None
) -> Iterator[tuple[str, Record]]:
    for name, content in contents.items():
        if store.judge(content) == "signed" and not target:
            continue
        try:
            record = parse(content)
        except Unreadable as error:
            raise Refusal(f"{name}: {error.found}", "a record", error.remedy) from None
        if record.deployment_id != name:
            raise Refusal(
                f"{name}, which is of {record.deployment_id}",
                "the record of that deployment",
                _REMEDY,
            )
        if target and target not in record.targets:
            about = ", ".join(record.targets) or "no target"
            expected = f"a record of a deployment to {target}"
            raise Refusal(f"{name} on {target}, which is about {about}", expected, _REMEDY)
        if target and name in store.ids():
            path = store.path_of(name)
            raise Refusal(f"{name}, which is here already: {path}", "one that is not here", _REMEDY)
        yield name, record


def _show(record: Record, trust: str) -> None:
    who = record.deployer
    terminal.say(f"{record.action} {record.deployment_id}: {record.status}, {trust}")
    terminal.say(f"by {who.user}@{who.hostname} ({who.ip}), {record.started_at}", indent=1)
    for name, done in effects(record).items():
        terminal.say(f"{name}", indent=1)
        for what, items in (("created", done.created), ("removed", done.removed)):
            for kind, resource, _ in items:
                terminal.verbatim(f"{what} {kind} {resource}", indent=2)


def _is_confirmed(number: int) -> bool:
    count = words.count(number, "record")
    terminal.say(f"Enter signs {count}: later deploys remove what is no longer wanted of that.")
    terminal.say("Anything else leaves everything as it is.")
    sys.stdout.flush()
    return sys.stdin.readline() == "\n"


def _sign(store: Store, contents: dict[str, bytes], all_of_them: bool) -> None:
    key = store.key
    assert key is not None  # NEEDS_KEY
    for name, content in contents.items():
        text = unsigned(content).decode()
        write_atomically(
            store.path_of(name), key.sign(text if text.endswith("\n") else f"{text}\n")
        )
    if all_of_them:
        store.resign(key)
