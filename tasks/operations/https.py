"""HTTPS that is no longer wanted."""

import shlex

from pyinfra import host
from pyinfra.api import StringCommand, operation

from facts.conditions import Condition
from facts.firewall import allow_command
from tasks.operations.commands import Commands


@operation()
def close_https(folder: str) -> Commands:
    """Have no port 443 open that we opened, which ``folder`` tells, and no key lie in there."""
    there = shlex.quote(folder)
    if host.get_fact(Condition, shell=f"[ -e {there} ]"):
        rule = allow_command(443, None).replace("ufw ", "ufw delete ", 1)
        yield StringCommand(f"{rule} >/dev/null && rm -rf {there}")
