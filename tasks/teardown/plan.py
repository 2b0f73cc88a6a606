"""What a teardown takes away of what is ours, in which order, and what it keeps."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from facts.resource_names import check, problem_of

# What outlives its component, and is removed only by who asks for it.
DATA = ("data", "databases", "remains")
# What goes for all components together, after them.
_AT_LAST = ("packages", "remains", "data", "originals", "directories")
# Where records of before do not tell whose a thing is.
NOBODY = "earlier"


class Resource(Protocol):
    """One thing of ours on a target, and the components that it was created for."""

    @property
    def kind(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def components(self) -> tuple[str, ...]: ...


@dataclass(frozen=True)
class Item:
    """One thing that is removed or kept. ``owners``: the components that it is taken from.

    Raises ValueError for a name that no such thing can have.
    """

    kind: str
    name: str
    owners: tuple[str, ...]

    def __post_init__(self) -> None:
        check(self.kind, self.name)

    @property
    def component(self) -> str:
        """The component with which it goes."""
        return self.owners[0] if self.owners else NOBODY

    @property
    def resources(self) -> tuple[tuple[str, str, str], ...]:
        """The same for each of its owners: kind, name, component."""
        return tuple((self.kind, self.name, owner) for owner in self.owners or (NOBODY,))


@dataclass(frozen=True)
class Plan:
    """``removed``, in this order; then ``purged`` and ``bared`` packages: with and without their
    configuration; then ``trees``, the data that are purged, ``originals``, which a package might
    take along, and ``folders``. ``kept``: data, and the users that they belong to. ``whole``:
    nothing of ours is left out. ``refused``: what the records name as nothing can be named, which
    is left alone.
    """

    removed: Sequence[Item]
    purged: Sequence[Item]
    bared: Sequence[Item]
    trees: Sequence[Item]
    originals: Sequence[Item]
    folders: Sequence[Item]
    kept: Sequence[Item]
    purge: bool = False
    whole: bool = False
    refused: Sequence[str] = ()

    @property
    def packages(self) -> Sequence[Item]:
        """Those that go, one way or the other."""
        return [*self.purged, *self.bared]

    @property
    def every(self) -> Sequence[Item]:
        """All that goes."""
        return [*self.removed, *self.packages, *self.trees, *self.originals, *self.folders]

    def taken_from(self, component: str) -> "Plan":
        """The same, with one component for all owners."""

        def of_it(items: Sequence[Item]) -> list[Item]:
            return [replace(item, owners=(component,)) for item in items]

        return replace(
            self,
            removed=of_it(self.removed),
            purged=of_it(self.purged),
            bared=of_it(self.bared),
            trees=of_it(self.trees),
            originals=of_it(self.originals),
            folders=of_it(self.folders),
        )

    @property
    def components(self) -> list[str]:
        """Those of which something is removed, in order."""
        return list(dict.fromkeys(item.component for item in self.every))


def plan(
    owned: Iterable[Resource],
    order: Sequence[str],
    only: Collection[str] = (),
    purge: bool = False,
) -> Plan:
    """The plan for what is ``owned``, which comes in the order of its creation.

    ``order``: the components as they need each other; those that are not there any more go first.
    ``only``: components; what belongs to any other one as well, stays. ``purge``: data go, too.
    """
    there = list(owned)
    refused = [problem for each in there if (problem := problem_of(each.kind, each.name))]
    every = _items([each for each in there if not problem_of(each.kind, each.name)], only)
    chosen = [item for item in every if not only or (item.owners and {*item.owners} <= {*only})]
    place = {name: position for position, name in enumerate(order)}
    # One that is in no stack any more comes before all, and by itself.
    chosen.sort(key=lambda item: (place.get(item.component, len(place)), item.component))
    chosen.reverse()
    keepers = (
        () if purge else {owner for item in every if item.kind in DATA for owner in item.owners}
    )
    kept = [item for item in chosen if not purge and _is_kept(item, keepers)]
    going = [item for item in chosen if item not in kept]
    stays = [] if purge else [item.name for item in every if item.kind == "data"]
    packages = [item for item in going if item.kind == "packages"]
    bared = [
        item for item in packages if not purge and (not item.owners or {*item.owners} & {*keepers})
    ]
    folders = [item for item in going if item.kind == "directories" and not _holds(item, stays)]
    return Plan(
        removed=[item for item in going if item.kind not in _AT_LAST],
        purged=[
            item for item in going if item.kind in ("packages", "remains") and item not in bared
        ],
        bared=bared,
        trees=[item for item in going if item.kind == "data"],
        originals=[item for item in going if item.kind == "originals"],
        folders=_inner_first(folders),
        kept=kept,
        purge=purge,
        whole=len(chosen) == len(every),
        refused=refused,
    )


def _is_kept(item: Item, keepers: Collection[str]) -> bool:
    """Data are kept; so is the user of a component with data, as they would be nobody's."""
    if item.kind == "users":
        return not item.owners or bool({*item.owners} & {*keepers})
    return item.kind in DATA


def _items(owned: Iterable[Resource], only: Collection[str]) -> list[Item]:
    """What is owned; a component that has nothing but shared packages left is no owner of them."""
    there = list(owned)
    alive = {name for each in there if each.kind != "packages" for name in each.components}
    alive |= {each.components[0] for each in there if len(each.components) == 1}
    return [
        Item(
            each.kind,
            each.name,
            tuple(name for name in each.components if name in alive or name in only)
            or each.components,
        )
        for each in there
    ]


def _holds(folder: Item, paths: Iterable[str]) -> bool:
    return any(path.startswith(f"{folder.name}/") for path in paths)


def _inner_first(folders: Iterable[Item]) -> list[Item]:
    return sorted(folders, key=lambda item: item.name.count("/"), reverse=True)
