"""A line that only this run can have logged."""

import secrets
import shlex

from pyinfra import host

from facts.conditions import ConditionNow

TAG = "chom-verify"
RUN = secrets.token_hex(6)


def marker(target: str) -> str:
    """The line of one target in this run."""
    return f"verification {RUN} of {target}"


def log_marker(target: str) -> bool:
    """Log it on this host; whether its journal took it."""
    logged = f"logger -t {TAG} {shlex.quote(marker(target))}"
    return bool(host.get_fact(ConditionNow, shell=logged))
