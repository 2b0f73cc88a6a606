"""What is asked of a teardown by ``--data``."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from configs import ConfigurationError, Problem, Target
from tasks.component import Component
from tasks.teardown.plan import Plan, Resource, plan

_YES = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


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
    purge = _YES.get(data.get("purge", "false").lower(), False)
    return plan(owned, [item.name for item in stack], _only(data), purge)


def _only(data: Mapping[str, str]) -> list[str]:
    return [name for each in data.get("only", "").split(",") if (name := each.strip())]


def _check(data: Mapping[str, str], known: Iterable[str]) -> None:
    problems = []
    names = sorted(known)
    if unknown := [name for name in _only(data) if name not in names]:
        problems.append(
            Problem(
                "--data",
                "only",
                f'"{", ".join(unknown)}"',
                f"components, with commas between them: {', '.join(names)}",
                "name one of these, or leave it out to take away all",
            )
        )
    elif "only" in data and not _only(data):
        problems.append(
            Problem("--data", "only", "nothing", "a component", "name one, or leave it out")
        )
    if data.get("purge", "false").lower() not in _YES:
        problems.append(
            Problem("--data", "purge", f'"{data["purge"]}"', "true or false", "correct it")
        )
    if problems:
        raise ConfigurationError(problems)
