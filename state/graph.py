"""Which component waits for which, over all targets of a run."""

from collections.abc import Iterable, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Protocol

Node = tuple[str, str]


class NeedsError(Exception):
    """The stacks cannot be deployed in any order; ``problems`` says why, a line each."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = list(problems)


class Needy(Protocol):
    """A component, as far as its order goes."""

    @property
    def name(self) -> str: ...
    @property
    def needs(self) -> tuple[str, ...]: ...


def check(stacks: Mapping[str, Iterable[Needy]]) -> None:
    """Refuse needs that name nothing, and needs in a circle. Raises NeedsError.

    A component needs ``NAME`` (of the same target) or ``ROLE.NAME`` (on every target of a role).
    Components of one target run in the order of their stack, so a need must stand before.
    """
    known = {(role, item.name) for role, stack in stacks.items() for item in stack}
    graph: dict[Node, set[Node]] = {}
    problems = []
    for role, stack in stacks.items():
        before: list[Node] = []
        for item in stack:
            node = (role, item.name)
            graph[node] = set(before[-1:])
            for need in item.needs:
                needed = _node(need, role)
                if needed not in known:
                    problems.append(_unknown(role, item.name, need, known))
                elif needed[0] == role and needed not in before and needed != node:
                    problems.append(
                        f"{role}.{item.name} needs {need}, which stands after it in its stack;"
                        " move it before"
                    )
                else:
                    graph[node].add(needed)
            before.append(node)
    if not problems:
        try:
            TopologicalSorter(graph).prepare()
        except CycleError as error:
            circle = " → ".join(".".join(node) for node in reversed(error.args[1]))
            problems.append(f"needs in a circle: {circle}; take one of them away")
    if problems:
        raise NeedsError(problems)


def _unknown(role: str, name: str, need: str, known: set[Node]) -> str:
    names = sorted(other if role == other_role else f"{other_role}.{other}"
                   for other_role, other in known)  # fmt: skip
    return f"{role}.{name} needs {need}, which no stack has; known are {', '.join(names)}"


def _node(need: str, role: str) -> Node:
    other_role, _, name = need.rpartition(".")
    return (other_role or role, name)


def needed_nodes(
    needs: Iterable[str], role: str, target: str, roles: Mapping[str, str]
) -> set[Node]:
    """The (target, component) pairs that ``needs`` of a component on ``target`` mean.

    ``roles``: target → role, of the targets in this run; a target that is not in the run (by
    ``--limit``) is not waited for.
    """
    nodes = set()
    for need in needs:
        other_role, name = _node(need, role)
        if "." not in need:
            nodes.add((target, name))
        else:
            nodes |= {(other, name) for other, its in roles.items() if its == other_role}
    return nodes
