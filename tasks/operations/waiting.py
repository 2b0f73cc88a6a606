"""Waiting for what only time brings."""

from pyinfra import host, state
from pyinfra.api import operation

from facts.conditions import ComplaintNow, Condition
from tasks.effects import tell
from tasks.operations.commands import Commands, failing


@operation()
def wait_until(what: str, condition: str, limit_s: int, complaint: str) -> Commands:
    """Wait until a read-only shell command succeeds; having waited is no change.

    ``what``: that, in words. Where nothing was changed yet, an answer of a moment ago will do.
    A plan does not wait. Fails after ``limit_s`` seconds, with what the command said last, and with
    ``complaint``.
    """
    # Asked in any case, so that the next run can ask it together with all else.
    was_so = host.get_fact(Condition, shell=condition)
    if was_so and not _has_changed():
        return
    reasons: list[str] | None = []
    if state.is_executing:
        wait = (
            f"end=$(($(date +%s) + {limit_s})); until said=$({{ {condition}; }} 2>&1); do"
            ' [ $(date +%s) -lt $end ] || { echo "$said"; exit 1; }; sleep 0.2; done'
        )
        reasons = host.get_fact(ComplaintNow, shell=f"( {wait} )")
    if reasons is None:
        return
    tell("wait", what)
    yield failing([*reasons, complaint])


def _has_changed() -> bool:
    """Whether this run has changed anything, on whatever host: what was true need not be now."""
    done = [each.operation_meta for ops in state.ops.values() for each in ops.values()]
    return any(each.executed for each in done)
