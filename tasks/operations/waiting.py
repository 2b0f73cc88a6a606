"""Waiting for what only time brings."""

import shlex

from pyinfra import host, state
from pyinfra.api import StringCommand, operation

from facts.conditions import ConditionNow
from tasks.effects import tell
from tasks.operations.commands import Commands


@operation()
def wait_until(what: str, condition: str, limit_s: int, complaint: str) -> Commands:
    """Wait until a read-only shell command succeeds; having waited is no change.

    ``what``: that, in words. A plan does not wait. Fails after ``limit_s`` seconds, with what the
    command says when it is asked once more, and with ``complaint``.
    """
    wait = (
        f"end=$(($(date +%s) + {limit_s})); until {{ {condition}; }}; do"
        " [ $(date +%s) -lt $end ] || exit 1; sleep 0.5; done"
    )
    shell = f"( {wait} )" if state.is_executing else condition
    if not host.get_fact(ConditionNow, shell=shell):
        tell("wait", what)
        yield StringCommand(f"{condition}; echo {shlex.quote(complaint)} >&2; exit 1")
