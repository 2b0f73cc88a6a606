"""Which components a deploy is about: ``--data only=grafana,loki``, ``--data skip=laravel``."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TypeVar

from configs import ConfigurationError, Problem
from state.graph import Needy, Node, needed_nodes

Item = TypeVar("Item", bound=Needy)


@dataclass(frozen=True)
class Selection:
    """``whole``: every component; otherwise those that are ``chosen``, role → names.

    ``with_them``: what comes along because a chosen one needs it; ``without_them``: what is left
    out because it needs one that is.
    """

    chosen: Mapping[str, frozenset[str]] = field(default_factory=dict)
    whole: bool = True
    with_them: Sequence[str] = ()
    without_them: Sequence[str] = ()

    def of(self, stacks: Mapping[str, Sequence[Item]]) -> dict[str, list[Item]]:
        """The stacks with what was chosen alone, in the same order."""
        return {
            role: [item for item in stack if self.whole or item.name in self.chosen.get(role, ())]
            for role, stack in stacks.items()
        }

    @property
    def lines(self) -> list[str]:
        """What the operator did not name, and should know."""
        lines = []
        if self.with_them:
            lines.append(f"needed by them, and deployed as well: {', '.join(self.with_them)}")
        if self.without_them:
            lines.append(f"left out, as they need one that is: {', '.join(self.without_them)}")
        return lines


def select(
    stacks: Mapping[str, Sequence[Needy]], only: Sequence[str], skip: Sequence[str]
) -> Selection:
    """What is chosen of the stacks of the roles that there are.

    With ``only``, these and all that they need, on other roles too; then without those to ``skip``
    and whatever needs one of them. Raises ConfigurationError for names that no stack has, and
    where nothing is left.
    """
    every = {(role, item.name) for role, stack in stacks.items() for item in stack}
    _check(sorted({name for _, name in every}), {"only": only, "skip": skip})
    # A role stands for all of its targets.
    roles = {role: role for role in stacks}
    needs = {
        (role, item.name): needed_nodes(item.needs, role, role, roles)
        for role, stack in stacks.items()
        for item in stack
    }
    named = {node for node in every if node[1] in only}
    wanted = _closed(named, needs) if only else every
    skipped = {node for node in every if node[1] in skip}
    left_out = _closed(skipped, _turned(needs))
    chosen = wanted - left_out
    if not chosen:
        needed = "every component" if not only else ", ".join(only)
        raise ConfigurationError(
            [
                Problem(
                    "--data",
                    "skip",
                    ", ".join(skip),
                    "components that others can do without",
                    f"do not skip it: {needed} needs it",
                )
            ]
        )
    return Selection(
        chosen={role: frozenset(name for its, name in chosen if its == role) for role in stacks},
        whole=chosen == every,
        with_them=_names(stacks, chosen - named) if only else (),
        without_them=_names(stacks, wanted & (left_out - skipped)),
    )


def _closed(nodes: Iterable[Node], edges: Mapping[Node, Iterable[Node]]) -> set[Node]:
    """The nodes and all that can be reached from them."""
    found: set[Node] = set()
    ahead = list(nodes)
    while ahead:
        node = ahead.pop()
        if node not in found:
            found.add(node)
            ahead += edges.get(node, ())
    return found


def _turned(edges: Mapping[Node, Iterable[Node]]) -> dict[Node, set[Node]]:
    turned: dict[Node, set[Node]] = {}
    for node, its in edges.items():
        for each in its:
            turned.setdefault(each, set()).add(node)
    return turned


def _names(stacks: Mapping[str, Sequence[Needy]], nodes: set[Node]) -> list[str]:
    """The names of components, once each, in the order of the stacks."""
    names = [item.name for role, stack in stacks.items() for item in stack
             if (role, item.name) in nodes]  # fmt: skip
    return list(dict.fromkeys(names))


def _check(known: Sequence[str], given: Mapping[str, Sequence[str]]) -> None:
    problems = []
    for key, names in given.items():
        for name in names:
            if name not in known:
                near = get_close_matches(name, known, n=1)
                remedy = f"did you mean {near[0]}?" if near else "name one of these"
                expected = f"components, with commas between them: {', '.join(known)}"
                problems.append(Problem("--data", key, f'"{name}"', expected, remedy))
    if problems:
        raise ConfigurationError(problems)
