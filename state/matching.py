"""What a dry run found of what was deployed: whether it still is as it was declared."""

import json
from collections.abc import Sequence

from pyinfra.api import State

from state.lanes import Lane
from state.store import Store, now
from state.writing import write_atomically

FILE = "matched.json"


def note_matches(store: Store, state: State, lanes: Sequence[Lane], settings_sha256: str) -> None:
    """Keep, for each target, what would be changed now although nobody asked for anything new.

    The file has target → ``at`` (UTC), ``deployment_id``: what was deployed, and ``differs``: what
    would be changed, as its operation told, or the operation that told nothing. Other settings than
    those that were deployed tell nothing of it.
    """
    ids = store.ids()
    newest = store.read(ids[-1]) if ids else None
    if newest is None or newest.config.settings_sha256 != settings_sha256:
        return
    path = store.folder / FILE
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        found = {}
    for lane in lanes:
        name = lane.host.name
        if name in newest.targets and lane.host not in state.failed_hosts:
            found[name] = {
                "at": now(),
                "deployment_id": newest.deployment_id,
                "differs": _differs(state, lane),
            }
    write_atomically(path, json.dumps(found, indent=2) + "\n")


def _differs(state: State, lane: Lane) -> list[str]:
    return [
        f"{step.component} | {what}"
        for step in lane.steps
        for operation in step.operations
        if state.get_op_data_for_host(lane.host, operation.hash).operation_meta._maybe_is_change
        for what in [each.what for each in operation.effects] or [operation.label]
    ]
