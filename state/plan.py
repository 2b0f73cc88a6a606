"""The plan of a run: what it would change on each target. Schema 1.1.

``plan.schema.json`` beside this file is generated from here.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from pydantic import Field

from facts.previews import ReleaseChange
from state.record import Action, Error, Part, Time

SCHEMA_VERSION: Literal["1.1"] = "1.1"
# The same as operations tell (tasks/effects.py).
Verb = Literal[
    "create", "change", "remove", "install", "start", "stop", "restart", "reload", "run", "wait"
]
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
    ``old_version``, ``new_version``: of a package, as far as they are known. ``release``: of an
    application, where its target could tell.
    """

    verb: Verb
    what: str
    operation: str
    why: str = ""
    diff: list[str] = Field(default_factory=list)
    old_version: str = ""
    new_version: str = ""
    release: ReleaseChange | None = None


class ComponentPlan(Part):
    """What would be done for a component, in order, and how many operations have nothing to do."""

    changes: list[Change] = Field(default_factory=list)
    unchanged: int = 0


class TargetPlan(Part):
    """One target. ``leads``: where its address leads by ssh's configuration, if that is elsewhere.

    ``error``: why it cannot be deployed to, where it cannot.

    ``counts``: how much is to create, change, restart, remove and run.
    """

    role: str
    address: str
    leads: str = ""
    error: Error | None = None
    components: dict[str, ComponentPlan] = Field(default_factory=dict)
    counts: dict[str, int] = Field(default_factory=dict)


class Plan(Part):
    """What a run would change. ``changes``: on all targets together."""

    version: Literal["1.0", "1.1"] = SCHEMA_VERSION
    action: Action
    created_at: Time
    only: list[str] = Field(default_factory=list)
    skip: list[str] = Field(default_factory=list)
    changes: int
    targets: dict[str, TargetPlan]


def count(changes: Iterable[Change]) -> dict[str, int]:
    """How much is to create, change, restart, remove and run."""
    verbs = [change.verb for change in changes]
    return {name: sum(verb in its for verb in verbs) for name, its in COUNTED.items()}


def json_schema() -> dict[str, Any]:
    """The published JSON Schema (draft 2020-12) of a plan."""
    schema = Plan.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
