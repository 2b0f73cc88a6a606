"""Makes the plan of a run, before anything is changed."""

from collections.abc import Collection, Iterable, Mapping
from typing import cast

from pyinfra.api import State

from configs import Target
from configs.routes import route_of
from facts.existing import Existing
from state.lanes import Lane, Operation, Step
from state.options import Options
from state.plan import Change, ComponentPlan, Plan, TargetPlan, Verb, count
from state.record import Error
from state.store import now

# What stands before a name that does not say what it is.
WORDS = {
    "packages": "package ",
    "remains": "configuration of ",
    "users": "user ",
    "databases": "database ",
    "database_users": "database user ",
    "firewall_rules": "firewall rule ",
}


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
    told: set[tuple[str, str]] = set()
    return {step.component: _component(step, pending, set(found), told) for step in lane.steps}


def plan_of(
    options: Options,
    targets: Mapping[str, Target],
    found: Mapping[str, dict[str, ComponentPlan]],
    errors: Mapping[str, Error],
) -> Plan:
    """The plan of all targets that take part.

    ``found``: target → what would be done for its components; ``errors``: why it cannot be.
    """
    plans = {
        name: TargetPlan(
            role=target.role,
            address=target.address,
            leads=route_of(target.address, target.ssh).destination,
            error=errors.get(name),
            components=found.get(name, {}),
            counts=counts(found.get(name, {}).values()),
        )
        for name, target in targets.items()
    }
    return Plan(
        action=options.action or "deploy",
        created_at=now(),
        only=list(options.only),
        skip=list(options.skip),
        changes=sum(sum(each.counts.values()) for each in plans.values()),
        targets=plans,
    )


def counts(components: Iterable[ComponentPlan]) -> dict[str, int]:
    """How much is to create, change, restart, remove and run."""
    return count(change for each in components for change in each.changes)


def _will_change(state: State, lane: Lane, operation: Operation) -> bool:
    return bool(state.get_op_data_for_host(lane.host, operation.hash).operation_meta.will_change)


def _component(
    step: Step,
    pending: Mapping[str, Operation],
    there: Collection[tuple[str, str]],
    told: set[tuple[str, str]],
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
                verb=cast(Verb, each.verb),
                what=each.what,
                operation=operation.label,
                why=each.why,
                diff=list(each.diff),
                old_version=each.old,
                new_version=each.new,
                release=each.release,
            )
            for each in operation.effects
        ]
    if operation.removes:
        gone = dict.fromkeys((kind, name) for kind, name, _ in operation.removes)
        return [_removal(operation, *each) for each in gone]
    verb: Verb = "change"
    if (main := _main(operation)) and main not in there:
        verb = "create"
    return [Change(verb=verb, what=operation.label, operation=operation.label)]


def _removal(operation: Operation, kind: str, name: str) -> Change:
    if kind == "originals":
        why = "the original is put back"
        return Change(verb="change", what=name, operation=operation.label, why=why)
    why = "if it is empty" if kind == "directories" else ""
    what = f"{WORDS.get(kind, '')}{name}"
    return Change(verb="remove", what=what, operation=operation.label, why=why)


def _main(operation: Operation) -> tuple[str, str] | None:
    """What an operation is there to create; the folders of it stand before it."""
    return operation.creates[-1][:2] if operation.creates else None
