"""What is ours on each target, as the history has it by now."""

from collections.abc import Container, Iterable, Mapping, Sequence

from pyinfra.api import Host

from state.owned import Owned, former_name
from state.pruning import read_pruned
from state.reading import Unreadable
from state.store import Store
from state.syncing import get_missing


class Ownership:
    """Reads the history once, and again when records of others have come to it.

    ``noted``: target → what this run has listed as ours besides.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.noted: Mapping[str, Container[tuple[str, str]]] = {}
        self._machines: dict[str, str] = {}
        self._owned: dict[str, Sequence[Owned]] = {}
        self._keys: dict[str, frozenset[tuple[str, str]]] = {}

    def saw(self, target: str, machine: str) -> None:
        """Which machine a target was seen to be: nothing on a new one is ours."""
        if self._machines.get(target) != machine:
            self._machines[target] = machine
            self._owned.pop(target, None)
            self._keys.pop(target, None)

    def of(self, target: str) -> Sequence[Owned]:
        """What is ours on a target, in the order of its creation."""
        if target not in self._owned:
            machine = self._machines.get(target, "")
            self._owned[target] = self.store.owned(target, machine=machine)
        return self._owned[target]

    def is_as_assumed(self, target: str, assumed: str) -> bool:
        """Whether what is ours on a target is what was said before it was connected to.

        + assumed: the machine that it was taken for then
        """
        return list(self.of(target)) == self.store.owned(target, machine=assumed)

    def former_name(self, target: str) -> str:
        """The name by which the machine of a target was known last, if that is another one."""
        return former_name(self.store.effects().items(), target, self._machines.get(target, ""))

    def has(self, target: str, item: object) -> bool:
        """Whether a resource, kind and name, is ours by now."""
        if target not in self._keys:
            self._keys[target] = frozenset((each.kind, each.name) for each in self.of(target))
        return item in self._keys[target] or item in self.noted.get(target, ())

    def learn(
        self, host: Host, ids: Iterable[str], keep: bool = True
    ) -> tuple[list[str], list[str]]:
        """Get what others have done to a host: the records of these that the history lacks.

        Returns their ids, and what went wrong. Raises OSError where the host does not answer.

        + keep: whether to write them into the history
        """
        try:
            pruned = read_pruned(self.store.folder).records.keys()
        except Unreadable as error:
            # Nobody knows what was taken away on purpose.
            return [], [f"{self.store.folder / 'pruned.json'}: {error.found}; {error.remedy}"]
        got, problems = get_missing(self.store, host, ids, pruned, keep)
        if got:
            self._owned.clear()
            self._keys.clear()
        return got, problems


class Ours(Container[tuple[str, str]]):
    """Whether a resource, kind and name, is ours on a target; asked when it matters."""

    def __init__(self, ownership: Ownership, target: str) -> None:
        self._ownership = ownership
        self._target = target

    def __contains__(self, item: object) -> bool:
        return self._ownership.has(self._target, item)
