"""What is asked of a teardown by ``--data``."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from configs import ConfigurationError, Problem, Target
from configs.given import is_yes, names_in
from tasks.component import Component
from tasks.teardown.plan import Plan, Resource, plan


def plans(
    targets: Iterable[Target],
    owned: Callable[[str], Sequence[Resource]],
    data: Mapping[str, str],
    stacks: Mapping[str, Sequence[Component]],
) -> dict[str, Plan]:
    """The plan for each target. Raises ConfigurationError for what cannot be meant."""
    there = {target.name: owned(target.name) for target in targets}
    known = {item.name for target in targets for item in stacks[target.role]}
    known |= {name for its in there.values() for each in its for name in each.components}
    _check(data, known)
    return {
        target.name: plan_of(there[target.name], data, stacks[target.role]) for target in targets
    }


def plan_of(owned: Sequence[Resource], data: Mapping[str, str], stack: Sequence[Component]) -> Plan:
    """The plan for one target, of what was asked for."""
    order = [item.name for item in stack]
    return plan(owned, order, names_in(data, "only"), is_yes(data, "purge"))


def _check(data: Mapping[str, str], known: Iterable[str]) -> None:
    names = sorted(known)
    if unknown := [name for name in names_in(data, "only") if name not in names]:
        problem = Problem(
            "--data",
            "only",
            f'"{", ".join(unknown)}"',
            f"components, with commas between them: {', '.join(names)}",
            "name one of these, or leave it out to take away all",
        )
        raise ConfigurationError([problem])
