"""Which machine each target is: one machine goes by one name, and may be renamed."""

import json
from collections.abc import Container, Iterable

from configs import Target
from configs.findings import Finding
from state.owned import last_machine, present_names
from state.store import Store


class Machines:
    """The machines that the targets of an inventory are found to be in this run.

    + names: the targets of the inventory, those that take no part in this run included
    """

    def __init__(self, store: Store, names: Iterable[str]) -> None:
        self._store = store
        self._names = list(names)
        self._seen: dict[str, str] = {}

    def saw(self, target: str, machine: str) -> dict[str, Finding]:
        """Note which machine a target is. Returns target → why it cannot be deployed to.

        These are two names of one machine: what the one declares would be taken away as a leftover
        of the other. A target that was not seen in this run is the machine that it was last.

        A server says itself which machine it is, and may lie. So the one that was known as this
        machine before goes on, whatever another one says.
        """
        self._seen[target] = machine
        others = [name for name in self._names if name != target and machine]
        same = [name for name in others if self._seen.get(name) == machine]
        unseen = [
            name
            for name in others
            if name not in self._seen and read_machine(self._store, name) == machine
        ]
        rightful = [name for name in (target, *same, *unseen) if self._was(name, machine)]
        spared = rightful if len(rightful) == 1 else []
        if same:
            pairs = {target: same[0], **dict.fromkeys(same, target)}
        else:
            pairs = {target: unseen[0]} if unseen else {}
        return {
            name: _refused(name, other, is_seen=bool(same))
            for name, other in pairs.items()
            if name not in spared
        }

    def _was(self, target: str, machine: str) -> bool:
        """Whether a target was this machine when something of ours changed on it last."""
        return last_machine(self._store.effects().items(), target) == machine


def _refused(target: str, other: str, is_seen: bool = True) -> Finding:
    when = "" if is_seen else ", as it was when that was deployed to last"
    if_not = "" if is_seen else f"; if {other} is another server by now, deploy to both together;"
    return Finding(
        "machine",
        f"{target} is the same machine as {other}{when}",
        "a server of its own for each target: each would take away what the other one declares",
        f"leave one of the two out of the inventory{if_not or ';'} if they are two servers, copied"
        " from one image, give the new one an id of its own: rm /etc/machine-id;"
        " systemd-machine-id-setup; reboot",
    )


def read_machine(store: Store, target: str) -> str:
    """The machine that a target was in the last run that changed it; empty if nothing tells."""
    try:
        found = json.loads((store.hardware / f"{target}.json").read_text())
        return str(found.get("machine", "")) if isinstance(found, dict) else ""
    except (OSError, ValueError):
        return ""


def assumed_machine(store: Store, target: Target, names: Iterable[str]) -> str:
    """The machine that a target is, as far as it is known before there is a connection.

    One of a new name is the machine that had its address last, if no target has that name any more.

    + names: the targets of the inventory
    """
    if machine := last_machine(store.effects().items(), target.name):
        return machine
    known = {*names}
    for deployment_id in reversed(store.ids()):
        record = store.read(deployment_id) if store.trusts_id(deployment_id) else None
        for name, each in record.targets.items() if record else ():
            if each.address == target.address and name not in known and each.hardware:
                return str(each.hardware.get("machine", ""))
    return ""


def unnamed(store: Store, names: Container[str]) -> list[str]:
    """Say on which machines something is ours that the inventory has by no known name.

    + names: the targets of the inventory
    """
    return [
        f"something of ours is still on {name}, which the inventory does not name; one of a new"
        " name and a new address is recognised once it was deployed to"
        for name in present_names(list(store.effects().items()))
        if name not in names and store.owned(name)
    ]
