"""The last stage: what is deployed is proven to work, all targets at the same time."""

import time
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import gevent
from pyinfra import logger
from pyinfra.api import Host, State
from pyinfra.context import ctx_host, ctx_state

from state import console
from state.record import Check, Error, Record


class Proof(Protocol):
    """One thing that was proven; ``problem`` says why it was not."""

    @property
    def name(self) -> str: ...
    @property
    def problem(self) -> str: ...
    @property
    def remedy(self) -> str: ...


Verify = Callable[[], Sequence[Proof]]
# Most verifications are done before; one that waits for a service that has just started is not.
TOLD_EVERY_S = 15


@dataclass(frozen=True)
class _Stumbled:
    name: str
    problem: str
    remedy: str = "run it again with --debug, which tells where"


def is_due(
    record: Record, before: Record | None, whole: bool, partial: Container[str] = ()
) -> bool:
    """Whether a deployment is to be proven, or why it is not, which is said.

    What was seen to work, and has not changed since, is not proven again. ``before``: the last
    deployment before; ``whole``: all components were deployed; ``partial``: targets on which some
    applications failed, and nothing else did.
    """
    targets = record.targets.items()
    if any(each.status != "completed" and name not in partial for name, each in targets):
        console.say("--> Not verified: not every target was completed", fg="yellow")
        return False
    if not whole:
        rest = "pyinfra inventory.py verify.py proves all"
        console.say(f"--> Not verified: only some components were deployed; {rest}")
        return False
    components = [each for its in record.targets.values() for each in its.components.values()]
    worked = before is not None and before.status == "completed"
    return not worked or any(each.changed for each in components)


def verify_all(state: State, verifiers: Mapping[Host, Verify]) -> dict[str, list[Check]]:
    """Target → its checks; printed as they come in."""
    with ctx_state.use(state):
        running = {
            host.name: gevent.spawn(verify_one, host, verify) for host, verify in verifiers.items()
        }
        try:
            _join(running)
        finally:
            gevent.killall(list(running.values()))
    return {name: greenlet.get() for name, greenlet in running.items()}


def _join(running: Mapping[str, gevent.Greenlet]) -> None:
    """Wait for all of them, and say every now and then whose verification goes on."""
    begun = time.monotonic()
    while gevent.joinall(list(running.values()), timeout=TOLD_EVERY_S) is not None:
        waiting = [name for name, greenlet in running.items() if not greenlet.dead]
        if not waiting:
            return
        so_far_s = round(time.monotonic() - begun)
        console.say(f"    {', '.join(waiting)}: verifying for {so_far_s} s so far …")


def verify_one(host: Host, verify: Verify) -> list[Check]:
    """The checks of one target; whatever goes wrong in one is a problem, and ends no other's."""
    with ctx_host.use(host):
        try:
            proofs = verify()
        except Exception as error:
            logger.debug("verifying %s failed", host.name, exc_info=True)
            proofs = [_Stumbled("the verification itself", f"{type(error).__name__}: {error}")]
    for each in proofs:
        console.print_check(host.name, each.name, each.problem, each.remedy)
    return [
        Check(name=each.name, problem=each.problem, remedy=each.remedy if each.problem else "")
        for each in proofs
    ]


def failure(checks: Sequence[Check]) -> Error | None:
    """The error of a target whose checks did not all pass."""
    failed = [each for each in checks if each.problem]
    if not failed:
        return None
    return Error(
        stage="verify",
        message="; ".join(f"{each.name}: {each.problem}" for each in failed),
        remedy="; ".join(each.remedy for each in failed if each.remedy) or None,
    )
