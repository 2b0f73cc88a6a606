"""A teardown's plan as who is to confirm it reads it."""

import textwrap
from collections.abc import Mapping, Sequence
from itertools import groupby

from tasks.component import Component
from tasks.teardown.plan import Item, Plan

WIDTH = 98
PURGE = "--data purge=true"


def shown(plans: Mapping[str, Plan], stacks: Mapping[str, Sequence[Component]]) -> list[str]:
    """The lines of all plans; ``stacks``: by the name of the target."""
    return [line for name, found in plans.items() for line in _shown(name, found, stacks[name])]


def names_of(items: Sequence[Item]) -> str:
    """Things in a sentence: databases and users by what they are, data by its path."""
    words = {"databases": "database ", "users": "user ", "remains": "configuration of "}
    return ", ".join(f"{words.get(item.kind, '')}{item.name}" for item in items)


def _shown(name: str, found: Plan, stack: Sequence[Component]) -> list[str]:
    if not found.every:
        lines = [f"--> {name}: nothing of ours is left to remove"]
    else:
        lines = [f"--> {name}: this is taken away"]
    for component in found.components:
        mine = [item for item in found.every if item.component == component]
        lines += [f"    {component}"]
        for kind, items in groupby(sorted(mine, key=lambda item: item.kind), lambda it: it.kind):
            lines += _wrapped(f"{kind.replace('_', ' ')}: ", ", ".join(it.name for it in items), 6)
    if found.kept:
        lines += _wrapped(f"kept ({PURGE} removes it, for ever): ", names_of(found.kept), 4)
    if found.refused:
        label = "left alone, as nothing can have such a name (who wrote that into a record?): "
        lines += _wrapped(label, "; ".join(found.refused), 4)
    if needed := _still_needed(found, stack):
        lines += _wrapped("note: needed by what stays: ", needed, 4)
    return lines


def _still_needed(found: Plan, stack: Sequence[Component]) -> str:
    """The components that stay although they need one that goes."""
    if found.whole:
        return ""
    goes = set(found.components)
    pairs = {item.name: sorted(goes & set(item.needs)) for item in stack if item.name not in goes}
    return "; ".join(f"{name} needs {', '.join(its)}" for name, its in pairs.items() if its)


def _wrapped(label: str, text: str, indent: int) -> list[str]:
    return textwrap.wrap(
        label + text,
        WIDTH,
        initial_indent=" " * indent,
        subsequent_indent=" " * (indent + 4),
        break_long_words=False,
        break_on_hyphens=False,
    )
