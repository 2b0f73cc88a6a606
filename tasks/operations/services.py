"""Services: restarted by what their process was started with, done when they answer."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from pyinfra import host, state
from pyinfra.api import StringCommand, operation

from facts.services import (
    APT_LOCK,
    STARTED_WITH,
    ServiceData,
    ServiceState,
    condition_fails,
    hash_command,
)
from tasks.effects import tell
from tasks.operations.commands import Commands
from tasks.operations.journal import explained, explanation
from tasks.upcoming import Upcoming


@dataclass(frozen=True)
class Hurry:
    """Shell commands around a start: ``end`` leaves a host as it was before ``begin``.

    It may find that half of that was done.
    """

    begin: str
    end: str


@operation()
def run_service(
    unit: str,
    runs: Sequence[str],
    reads: Sequence[str],
    ready: str | None,
    limit_s: int,
    upcoming: Sequence[Upcoming],
    upcoming_reads: Sequence[Upcoming],
    hurry: Hurry | None = None,
    waits: bool = True,
) -> Commands:
    """Have ``unit`` enabled, running with the present content of its files, and ready.

    It is restarted when a file of ``runs`` differs from what its process was started with, or when
    the program that the process runs from was replaced; it is reloaded when one of ``reads``
    differs. ``upcoming``, ``upcoming_reads``: the operations that
    write those files; before they ran, a plan asks them. Fails with the end of the unit's journal
    when ``ready`` (a shell command) does not succeed within ``limit_s`` seconds; one that does not
    wait is to be awaited by ``await_services``. ``hurry``: what is done around a start.
    """
    found = host.get_fact(ServiceState, unit=unit, runs=list(runs), reads=list(reads), ready=ready)
    steps = service_steps(unit, found, reads, waits)
    restarts, reloads = _changing(upcoming), _changing(upcoming_reads)
    if not steps and (restarts or reloads):
        steps = [f"systemctl {'restart' if restarts else 'reload'} {unit}"]
    if steps:
        _tell(unit, found, restarts, reloads)
        script = service_script(unit, steps) + (waiting(unit, ready, limit_s) if waits else "")
        is_start = not found["active"] or restarts or _must_restart(found)
        if hurry and is_start:
            script = f"trap {shlex.quote(hurry.end)} EXIT\n{hurry.begin}\n{script}"
        yield StringCommand(script)


@operation()
def run_timer(unit: str, upcoming: Upcoming | None = None) -> Commands:
    """Have the timer ``unit`` enabled and active, and its files as systemd has read them.

    ``upcoming``: the operation that writes the unit; before it ran, a plan asks it.
    """
    found = host.get_fact(ServiceState, unit=unit, runs=[], reads=[], ready=None)
    planned = upcoming is not None and not state.is_executing and upcoming.will_change
    in_order = found["enabled"] and found["active"] and not found["stale_unit"]
    if planned or not in_order:
        tell("start", unit)
        # To enable it lets systemd read its files again, too.
        steps = f"systemctl -q enable {unit} && systemctl restart {unit}"
        yield StringCommand(explained(unit, steps))


@operation()
def run_socket(unit: str, upcoming: Upcoming) -> Commands:
    """Have the socket ``unit`` enabled and listening, as its file says.

    systemd lets a socket start only while its service does not run, so that is ended before; who
    starts it again is ``run_service``. ``upcoming``: the operation that writes the unit.
    """
    found = host.get_fact(ServiceState, unit=unit, runs=[], reads=[], ready=None)
    planned = not state.is_executing and upcoming.will_change
    in_order = found["enabled"] and found["active"] and not found["stale_unit"]
    if planned or not in_order:
        tell("start", unit)
        service = f"{unit.removesuffix('.socket')}.service"
        steps = f"systemctl -q enable {unit} && systemctl -q stop {service} && "
        yield StringCommand(explained(unit, f"{steps}systemctl restart {unit}"))


@operation()
def stop_service(unit: str) -> Commands:
    """Have ``unit`` neither run nor start by itself; one that is not there needs nothing."""
    found = host.get_fact(ServiceState, unit=unit, runs=[], reads=[], ready=None)
    if found["exists"] and (found["enabled"] or found["active"]):
        tell("stop", unit)
        yield StringCommand(explained(unit, f"systemctl -q disable --now {unit}"))


def _changing(upcoming: Sequence[Upcoming]) -> list[str]:
    """What will change of these, in words."""
    if state.is_executing:
        return []
    return [each.label for each in upcoming if each.will_change]


def _tell(unit: str, found: ServiceData, restarts: Sequence[str], reloads: Sequence[str]) -> None:
    """Tell what is done to a unit in this state, and because of which changes."""
    if not found["active"]:
        tell("start", unit)
    elif restarts or not found["same_runs"]:
        tell("restart", unit, why=", ".join(restarts) or "it runs with other files")
    elif found["replaced"]:
        tell("restart", unit, why="its program was replaced since it started")
    elif reloads or not found["same_reads"]:
        tell("reload", unit, why=", ".join(reloads) or "it has read other files")
    else:
        tell("change", unit, why="it is to be enabled, as its file says, and to answer")


def service_steps(
    unit: str, found: ServiceData, reads: Sequence[str], waits: bool = True
) -> list[str]:
    """What must be done to a unit in this state; an empty list where nothing must.

    ``waits``: until systemd takes it for started.
    """
    steps = []
    block = "" if waits else " --no-block"
    if not found["enabled"]:
        # This lets systemd read all units again as well, which takes its time.
        steps.append(f"systemctl -q enable {unit}")
    elif found["stale_unit"] or not found["exists"]:
        steps.append("systemctl daemon-reload")
    if found["held_off"] and found["enabled"] and not steps:
        return []
    if not found["active"]:
        steps.append(f"systemctl reset-failed {unit} 2>/dev/null; systemctl{block} start {unit}")
    elif _must_restart(found):
        steps.append(f"systemctl{block} restart {unit}")
    elif not found["same_reads"]:
        steps.append(reloading(unit, reads))
    elif not found["ready"]:
        steps.append("true")
    return steps


def _must_restart(found: ServiceData) -> bool:
    return not found["same_runs"] or found["replaced"]


def reloading(unit: str, reads: Sequence[str]) -> str:
    """A shell command that lets ``unit`` read ``reads`` again, and notes what it has read."""
    stamp = f"{STARTED_WITH}/{unit}.reads"
    return (
        f"{{ {hash_command(list(reads))} > {stamp}.new || true; }}"
        f" && systemctl reload {unit} && mv {stamp}.new {stamp}"
    )


def service_script(unit: str, steps: Sequence[str]) -> str:
    """Run ``steps``; the unit's journal explains a failure, also one of what comes after."""
    return "".join(
        [
            f"explain() {{ {explanation(unit, '$1')} }}\n",
            *(f"{{ {step}; }} || explain 'systemctl failed'\n" for step in steps),
        ]
    )


def waiting(unit: str, ready: str | None, limit_s: int) -> str:
    """The rest of such a script: waits for readiness, from now or from ``since`` on."""
    return "\n".join(
        [
            f"n=0 known= end=$((${{since:-$(date +%s)}} + {limit_s}))",
            f"until systemctl -q is-active {unit} && {{ {ready or 'true'}; }} >/dev/null 2>&1; do",
            # A unit that a condition of its own keeps off (a clock daemon in a container) is no
            # failure. The condition may have failed because of what was true when the unit was
            # last started, so it is evaluated again.
            f's=$(systemctl show -p ConditionResult,Job,ExecCondition {unit}); case "$s" in'
            f" (*Job=[1-9]*|*{APT_LOCK}*) ;; (*ConditionResult=no*)"
            f' {condition_fails(unit)} && exit 0; case "$s" in (*ExecCondition=*) exit 0;; esac;;'
            " esac",
            f"! systemctl -q is-failed {unit} || explain 'it failed to start'",
            # systemd counts them since somebody last started it: what it did before is over.
            f"r=$(systemctl show -P NRestarts {unit}); r=${{r:-0}};"
            ' [ "${known:-$r}" -le $r ] && known=${known:-$r} || known=$r;'
            " [ $((r - known)) -lt 3 ] || explain 'it ends again and again'",
            f"[ $(date +%s) -lt $end ] || explain 'not ready within {limit_s} s'",
            # Most are there at once; who takes longer is not kept from its work by being asked.
            "n=$((n + 1)); [ $n -gt 10 ] && sleep 0.2 || sleep 0.05",
            "done",
        ]
    )
