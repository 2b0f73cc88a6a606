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
    """A unit that must be active, and its ``ready`` succeed within ``limit_s`` seconds.

    ``started``: the operation that may have started, restarted or reloaded it.
    """

    unit: str
    ready: str | None
    limit_s: int
    started: OperationMeta


@operation()
def await_services(services: Sequence[Awaited]) -> Commands:
    """Wait until ``services`` are ready, which is no change.

    Those that this run has started or reloaded are asked whether they are ready. The others were,
    when their own operations looked at them; after a change to the host each must still be active.
    Fails with an excerpt of the journal of each that is not.
    """
    if not state.is_executing or not _has_changed():
        return
    if not host.get_fact(ConditionNow, shell=f"( {_script(services, '$(date +%s)')}\n)"):
        # Once more without waiting, for what there is to say.
        yield StringCommand(_script(services, "0"))


def _has_changed() -> bool:
    """Whether this run has changed anything on this host so far."""
    this_host = state.inventory.get_host(host.name)
    return any(each.operation_meta.executed for each in state.ops[this_host].values())


def _script(services: Sequence[Awaited], since: str) -> str:
    """A shell script that waits for all of them, and explains each that is not ready in time.

    ``since``: when waiting began, in seconds since 1970.
    """
    lines = [f"since={since} rc=0", *map(_waiting, services), "exit $rc"]
    return "\n".join(lines)


def _waiting(service: Awaited) -> str:
    script = service_script(service.unit, []) + waiting(
        service.unit, service.ready, service.limit_s
    )
    unless = "" if service.started.executed else f"systemctl -q is-active {service.unit} || "
    return f"{unless}( {script}\n) || rc=1"
