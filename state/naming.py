"""Which deployment is meant by what somebody typed."""

from difflib import get_close_matches

from state.pruning import read_pruned
from state.reading import Unreadable, parse
from state.record import Record
from state.refusing import Refusal
from state.store import Store

CURRENT, PREVIOUS = "current", "previous"
EXPECTED = (
    "a deployment's id, or a part of it that no other begins with, or whose random end it is; or "
    f"{CURRENT}, or {PREVIOUS}"
)
_SHOWN = 5


def find(store: Store, text: str) -> str:
    """The id that is meant: whole, its beginning or its random end, ``current`` or ``previous``.

    Raises Refusal.
    """
    ids = store.ids()
    if not ids:
        remedy = "deploy first, or fetch what others deployed: python -m state sync"
        raise Refusal(f"no deployment in {store.folder}", EXPECTED, remedy)
    wanted = text.rpartition("/")[2].removesuffix(".json").lower()
    if wanted in (CURRENT, PREVIOUS):
        return _named(store, ids, wanted)
    found = [each for each in ids if each == wanted] or [
        each for each in ids if wanted and _means(wanted, each)
    ]
    if len(found) == 1:
        return found[0]
    if found:
        shown = ", ".join(reversed(found[-_SHOWN:]))
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        remedy = "write more of the one that you mean"
        raise Refusal(f"{text}, which may be {shown}{more}", EXPECTED, remedy)
    if gone := [each for each in _pruned(store) if _means(wanted, each)] if wanted else []:
        raise Refusal(f"{gone[-1]}, which was pruned", EXPECTED, "look at a copy of the history")
    near = get_close_matches(wanted, ids, n=2, cutoff=0.8)
    hint = f"did you mean {' or '.join(near)}?" if near else f"the newest is {ids[-1]};"
    raise Refusal(f"no deployment {text}", EXPECTED, f"{hint} python -m state history shows all")


def read(store: Store, text: str) -> Record:
    """The record that is meant. Raises Refusal, also where its file cannot be read."""
    deployment_id = find(store, text)
    try:
        return parse(store.path_of(deployment_id).read_bytes())
    except Unreadable as error:
        raise Refusal(f"{deployment_id}: {error.found}", "a record", error.remedy) from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        remedy = "let your user read it"
        raise Refusal(f"{store.path_of(deployment_id)}: {reason}", "a record", remedy) from None


def _named(store: Store, ids: list[str], text: str) -> str:
    current = store.current()
    if current not in ids:
        found = f"no record where current.json leads to ({current})" if current else "no current"
        raise Refusal(found, EXPECTED, "name it by its id: python -m state history shows all")
    position = ids.index(current)
    if text == CURRENT:
        return current
    if position == 0:
        raise Refusal(f"no deployment before {current}", EXPECTED, "there is but this one")
    return ids[position - 1]


def _means(wanted: str, deployment_id: str) -> bool:
    end = deployment_id.rpartition("-")[2]
    return deployment_id.startswith(wanted) or end.startswith(wanted) or end.endswith(wanted)


def _pruned(store: Store) -> list[str]:
    try:
        return list(read_pruned(store.folder).records)
    except Unreadable:
        return []
