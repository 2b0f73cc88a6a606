"""What is ours on a target by the records, but no longer declared by any of its components."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from tasks.component import Step
from tasks.teardown.plan import Item, Plan, Resource, plan

_PATHS = ("directories", "files", "artifacts", "data")


def leftovers(owned: Iterable[Resource], steps: Sequence[Step], order: Sequence[str]) -> Plan:
    """The plan for it, of which data are kept. ``order``: as of ``plan``.

    A path is declared whatever kind it has: what was a folder may be known as data today.
    """
    there = list(owned)
    declared = {
        (kind, name)
        for step in steps
        for operation in step.operations
        for kind, name, _ in operation.creates
    }
    paths = {name for kind, name in declared if kind in _PATHS}

    def over(items: Iterable[Item]) -> list[Item]:
        return [item for item in items if (item.kind, item.name) not in declared
                and not (item.kind in (*_PATHS, "originals") and item.name in paths)]  # fmt: skip

    # What remains of a package says nothing as long as that is there.
    declared |= {("remains", name) for kind, name in declared if kind == "packages"}
    # A component itself sees to it that nothing stands there, whoever put it there.
    declared |= {("files", name) for kind, name in declared if kind == "originals"}
    found = plan(there, order)
    return replace(
        found,
        removed=over(found.removed),
        purged=over(found.purged),
        bared=over(found.bared),
        trees=over(found.trees),
        originals=over(found.originals),
        folders=over(found.folders),
        kept=over(found.kept),
        whole=False,
    )
