"""Waiting for what only time brings."""

import shlex

from pyinfra import host
from pyinfra.api import StringCommand, operation

from facts.conditions import Condition
from tasks.operations.commands import Commands


@operation()
def wait_until(condition: str, limit_s: int, complaint: str) -> Commands:
    """Wait until a shell command succeeds; changes nothing, and does nothing if it does so now."""
    if not host.get_fact(Condition, shell=condition):
        yield StringCommand(
            f"end=$(($(date +%s) + {limit_s})); until {{ {condition}; }} >/dev/null 2>&1; do"
            f" [ $(date +%s) -lt $end ] || {{ echo {shlex.quote(complaint)} >&2; exit 1; }};"
            " sleep 0.5; done"
        )
