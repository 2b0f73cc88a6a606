"""Services that were started one by one, awaited together."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from pyinfra import host, state
from pyinfra.api import StringCommand, operation
from pyinfra.api.operation import OperationMeta

from facts.services import Complaints
from tasks.operations.commands import Commands
from tasks.operations.services import service_script, waiting


@dataclass(frozen=True)
class Awaited:
    """A unit that was started, and is to be awaited: until ``ready`` succeeds, ``limit_s`` seconds.

    ``started``: the operation that may have done that.
    """

    unit: str
    ready: str | None
    limit_s: int
    started: OperationMeta


@operation()
def await_services(services: Sequence[Awaited]) -> Commands:
    """Wait until those of ``services`` to which this run has done something are ready: no change.

    Fails with what is said of those that are not.
    """
    begun = [each for each in services if each.started.executed]
    if not state.is_executing or not begun:
        return
    scripts = [
        service_script(each.unit, []) + waiting(each.unit, each.ready, each.limit_s)
        for each in begun
    ]
    if complaints := host.get_fact(Complaints, scripts=scripts):
        yield StringCommand(f"printf '%s\\n' {shlex.join(complaints)} >&2; exit 1")
