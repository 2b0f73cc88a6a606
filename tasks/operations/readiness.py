"""Services that were started one by one, awaited together."""

from collections.abc import Sequence
from dataclasses import dataclass

from pyinfra import host, state
from pyinfra.api import operation
from pyinfra.api.operation import OperationMeta

from facts.conditions import ComplaintNow
from tasks.operations.commands import Commands, failing
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
    # What is asked once more may have come by then, or something else be late.
    complaint = host.get_fact(ComplaintNow, shell=f"( {_script(services)}\n)")
    if complaint is not None:
        yield failing(complaint)


def _has_changed() -> bool:
    """Whether this run has changed anything on this host so far."""
    this_host = state.inventory.get_host(host.name)
    return any(each.operation_meta.executed for each in state.ops[this_host].values())


def _script(services: Sequence[Awaited]) -> str:
    """A shell script that waits for all of them, and explains each that is not ready in time."""
    lines = ["since=$(date +%s) rc=0", *map(_waiting, services), "exit $rc"]
    return "\n".join(lines)


def _waiting(service: Awaited) -> str:
    script = service_script(service.unit, []) + waiting(
        service.unit, service.ready, service.limit_s
    )
    unless = "" if service.started.executed else f"systemctl -q is-active {service.unit} || "
    return f"{unless}( {script}\n) || rc=1"
