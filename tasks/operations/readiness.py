"""Services that were started one by one, awaited together."""

from collections.abc import Sequence
from dataclasses import dataclass

from pyinfra import host, state
from pyinfra.api import StringCommand, operation
from pyinfra.api.operation import OperationMeta

from facts.conditions import ConditionNow
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

    Fails with the end of the journal of each that is not.
    """
    begun = [each for each in services if each.started.executed]
    if not state.is_executing or not begun:
        return
    if not host.get_fact(ConditionNow, shell=f"( {_script(begun, '$(date +%s)')}\n)"):
        # Once more without waiting, for what there is to say.
        yield StringCommand(_script(begun, "0"))


def _script(services: Sequence[Awaited], since: str) -> str:
    """A shell script that waits for all of them, and explains each that does not come.

    ``since``: when they began to be awaited, in s.
    """
    scripts = [
        service_script(each.unit, []) + waiting(each.unit, each.ready, each.limit_s)
        for each in services
    ]
    lines = [f"since={since} rc=0", *(f"( {script}\n) || rc=1" for script in scripts), "exit $rc"]
    return "\n".join(lines)
