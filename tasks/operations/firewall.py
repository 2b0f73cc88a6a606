"""The firewall: its rules, and that it is in force without locking anybody out."""

import time

from pyinfra import host, state
from pyinfra.api import StringCommand, operation
from pyinfra.api.exceptions import ConnectError, OperationError
from pyinfra.connectors.ssh import SSHConnector

from facts.firewall import (
    DEFAULTS,
    ENABLE,
    REOPENING,
    Firewall,
    FirewallData,
    denied_by,
    is_admitted,
    rule_tuples,
)
from tasks.operations.commands import Commands
from tasks.operations.originals import keep_original

# The target takes the firewall out of force this long after it began to close it, unless it is told
# that a new SSH connection succeeded. One attempt to connect takes up to 10 s (pyinfra's limit).
REOPENS_AFTER_S = 45
CHECK_TIMEOUT_S = 25
# How long after a failed check the target must be open again; ufw takes a few seconds to stop.
OPEN_TIMEOUT_S = 60

_TIMER = f"{REOPENING}.timer"
_POLICIES = {"ACCEPT": "allow", "REJECT": "reject"}


@operation()
def add_rule(rule: str) -> Commands:
    """Let ufw admit what ``rule``, the ``ufw`` command that does so, would admit.

    A rule that admits it already stays as it is: with its limit, its log or its comment, which the
    command would take away. Raises OperationError for one that denies it, and would be replaced.
    """
    ufw = host.get_fact(Firewall)
    wanted = rule_tuples(rule, ufw["ipv6"])
    lacking = [each for each in wanted if not is_admitted(each, ufw["rules"])]
    denied = [command for each in lacking for command in denied_by(each, ufw["rules"])]
    # The preflight refuses it before; a plan is made for that.
    if denied and state.is_executing:
        raise OperationError(f"ufw denies what {rule} is to admit; run: {'; '.join(denied)}")
    if lacking:
        yield StringCommand(f"{rule if lacking == wanted else _command(lacking[0])} >/dev/null")


def _command(rule: str) -> str:
    """The command that makes this tuple alone."""
    _, protocol, port, *_, source, _ = rule.split()
    return f"ufw allow from {source} to any port {port} proto {protocol}"


@operation()
def enable_firewall() -> Commands:
    """Have ufw deny what comes in by default, and be in force.

    Before it closes, the target starts a timer that opens it again. The timer is stopped once a new
    SSH connection succeeded after that; it does its work without us, should we be cut off or
    killed. Raises OperationError if no new connection succeeds.
    """
    ufw = host.get_fact(Firewall)
    closed = ufw["enabled"] and ufw["loaded"] and ufw["policy"] == "DROP"
    if closed and not ufw["reopening"]:
        return
    # An earlier deploy that was killed left its timer; it knows how the firewall was before.
    yield StringCommand(f"systemctl restart {_TIMER}" if ufw["reopening"] else _closing(ufw))
    if state.is_executing and (problem := _connect_within(CHECK_TIMEOUT_S)):
        raise OperationError(_complaint(problem))
    yield StringCommand(
        f"systemctl stop {_TIMER} && iptables -S ufw-user-input >/dev/null"
        " || { echo 'the check of a new SSH connection took too long: the target has taken the"
        " firewall out of force again; run the deploy again' >&2; exit 1; }"
    )


def _closing(ufw: FirewallData) -> str:
    """A shell command that starts the timer, and then closes the firewall."""
    was_in_force = ufw["enabled"] and ufw["loaded"]
    policy = _POLICIES.get(ufw["policy"])
    reopen = f"ufw default {policy} incoming" if was_in_force and policy else "ufw --force disable"
    kept = "" if ufw["policy"] == "DROP" else f"{keep_original(DEFAULTS)} && "
    return (
        f"systemd-run --quiet --collect --unit={REOPENING} --on-active={REOPENS_AFTER_S}s"
        f" --timer-property=AccuracySec=1s {reopen}"
        f" && {kept}ufw default deny incoming >/dev/null && {ENABLE} >/dev/null"
    )


def _connect_within(timeout_s: float) -> str | None:
    """Make a new SSH connection to the host, the way pyinfra made ours; returns why none succeeds.

    Hosts of other connectors have no connection that could be cut.
    """
    this_host = state.inventory.get_host(host.name)
    if not isinstance(this_host.connector, SSHConnector):
        return None
    deadline = time.monotonic() + timeout_s
    while True:
        connector = SSHConnector(state, this_host)
        try:
            connector.connect()
        except ConnectError as error:
            if time.monotonic() >= deadline:
                return str(error)
            time.sleep(1)
        else:
            return None
        finally:
            if connector.client is not None:
                connector.client.close()


def _complaint(problem: str) -> str:
    """What to tell about a firewall that let no new connection in, once it has opened again."""
    still_closed = _connect_within(OPEN_TIMEOUT_S)
    outcome = (
        "the target has not opened again either: use its provider's console, ufw disable"
        if still_closed
        else "the target has taken the firewall out of force again"
    )
    return (
        f"the firewall lets no new SSH connection in ({problem}); {outcome}; see the rules there"
        " (ufw status numbered; nft list ruleset): one before ours denies our address or port, or"
        " a forwarding leads to a port that SSH does not listen at"
    )
