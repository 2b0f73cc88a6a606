"""What a run would change: the plan of each target, made before anything is."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Literal

from pydantic import Field
from pyinfra.api import State

from facts.existing import Existing
from state.lanes import Lane, Operation, Step, Verb
from state.record import Action, Error, Part, Time

SCHEMA_VERSION: Literal["1.0"] = "1.0"
# How the verbs are counted, in this order.
COUNTED: Mapping[str, Sequence[Verb]] = {
    "create": ("install", "create"),
    "change": ("change",),
    "restart": ("start", "stop", "restart", "reload"),
    "remove": ("remove",),
    "run": ("run", "wait"),
}


class Change(Part):
    """One thing that would be done. ``what``: a path, a unit, a package, or the operation's name.

    ``why``: for what, or what of it. ``diff``: the lines of a unified diff; none for secrets.
    ``old_version``, ``new_version``: of a package, as far as they are known.
    """

    verb: Verb
    what: str
    operation: str
    why: str = ""
    diff: list[str] = Field(default_factory=list)
    old_version: str = ""
    new_version: str = ""


class ComponentPlan(Part):
    """What would be done for a component, in order, and how many operations have nothing to do."""

    changes: list[Change] = Field(default_factory=list)
    unchanged: int = 0


class TargetPlan(Part):
    """One target. ``error``: why it cannot be deployed to, where it cannot.

    ``counts``: how much is to create, change, restart, remove and run.
    """

    role: str
    address: str
    error: Error | None = None
    components: dict[str, ComponentPlan] = Field(default_factory=dict)
    counts: dict[str, int] = Field(default_factory=dict)


class Plan(Part):
    """What a run would change. ``changes``: on all targets together."""

    version: Literal["1.0"] = SCHEMA_VERSION
    action: Action
    created_at: Time
    only: list[str] = Field(default_factory=list)
    skip: list[str] = Field(default_factory=list)
    changes: int
    targets: dict[str, TargetPlan]


def components_of(state: State, lane: Lane) -> dict[str, ComponentPlan]:
    """What would be done on one target; asks it once what is there. Raises PyinfraError."""
    pending = {
        operation.hash: operation
        for step in lane.steps
        for operation in step.operations
        if _will_change(state, lane, operation)
    }
    asked = [main for each in pending.values() if not each.effects and (main := _main(each))]
    found = lane.host.get_fact(Existing, resources=[*asked]) if asked else []
    told: set[tuple[Verb, str]] = set()
    return {step.component: _component(step, pending, set(found), told) for step in lane.steps}


def counts(components: Iterable[ComponentPlan]) -> dict[str, int]:
    """How much is to create, change, restart, remove and run."""
    verbs = [change.verb for each in components for change in each.changes]
    return {name: sum(verb in its for verb in verbs) for name, its in COUNTED.items()}


def json_schema() -> dict[str, Any]:
    """The published JSON Schema (draft 2020-12) of a plan."""
    schema = Plan.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _will_change(state: State, lane: Lane, operation: Operation) -> bool:
    return bool(state.get_op_data_for_host(lane.host, operation.hash).operation_meta.will_change)


def _component(
    step: Step,
    pending: Mapping[str, Operation],
    there: Collection[tuple[str, str]],
    told: set[tuple[Verb, str]],
) -> ComponentPlan:
    """``told``: what was told before. Two components may declare the same, of which one acts."""
    changes = []
    for operation in step.operations:
        for change in _changes(operation, there) if operation.hash in pending else ():
            if (change.verb, change.what) not in told:
                told.add((change.verb, change.what))
                changes.append(change)
    quiet = sum(operation.hash not in pending for operation in step.operations)
    return ComponentPlan(changes=changes, unchanged=quiet)


def _changes(operation: Operation, there: Collection[tuple[str, str]]) -> list[Change]:
    """What the operation told, or what can be known of one that told nothing."""
    if operation.effects:
        return [
            Change(
                verb=each.verb,
                what=each.what,
                operation=operation.label,
                why=each.why,
                diff=list(each.diff),
                old_version=each.old,
                new_version=each.new,
            )
            for each in operation.effects
        ]
    verb: Verb = "change"
    if operation.removes:
        verb = "remove"
    elif (main := _main(operation)) and main not in there:
        verb = "create"
    return [Change(verb=verb, what=operation.label, operation=operation.label)]


def _main(operation: Operation) -> tuple[str, str] | None:
    """What an operation is there to create; the folders of it stand before it."""
    return operation.creates[-1][:2] if operation.creates else None
