"""The firewall: its rules, and that it is in force."""

from pyinfra import host
from pyinfra.api import StringCommand, operation

from facts.firewall import ENABLE, Firewall, rule_tuple
from tasks.operations.commands import Commands
from tasks.operations.originals import keep_original

DEFAULTS = "/etc/default/ufw"


@operation()
def add_rule(rule: str) -> Commands:
    """Let ufw have a rule, given as the ``ufw`` command that makes it."""
    if rule_tuple(rule) not in host.get_fact(Firewall)["rules"]:
        yield StringCommand(f"{rule} >/dev/null")


@operation()
def enable_firewall() -> Commands:
    """Have ufw deny what comes in by default, and be in force."""
    found = host.get_fact(Firewall)
    if not (found["enabled"] and found["default_deny"] and found["loaded"]):
        kept = "" if found["default_deny"] else f"{keep_original(DEFAULTS)} && "
        yield StringCommand(f"{kept}ufw default deny incoming >/dev/null && {ENABLE} >/dev/null")
