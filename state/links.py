"""The link to each target: its connection, made again when it is lost, and the lock held by it."""

import time
from collections.abc import Callable, Mapping
from typing import TypeVar

import gevent
from paramiko.ssh_exception import SSHException
from pyinfra.api import Host, State
from pyinfra.api.exceptions import ConnectError, PyinfraError

from state.connection import is_lost
from state.held import Held
from state.sudo import Refused
from state.target_lock import NoAnswer, Robbed, TargetLock

# A reboot takes less.
LIMIT_S = 120
_TRIES_EVERY_S = 2
_TRIES = 3
# A lane that is served from memory waits for nothing, and so would hear of nothing.
_HEARS_EVERY_S = 0.2
_TURNS = 10
_MOMENT_S = 0.05

Answer = TypeVar("Answer")


class Links:
    """Keeps the lanes' targets reachable, and ours alone.

    ``prepare`` is called with each host that was connected to again; it raises what a refusal
    raises. ``locks``: target → its lock; those without one need none.
    """

    def __init__(
        self,
        state: State,
        prepare: Callable[[Host], None],
        locks: Mapping[str, TargetLock],
        limit_s: float = LIMIT_S,
    ) -> None:
        self.state = state
        self.prepare = prepare
        self.locks = locks
        self.limit_s = limit_s
        self._heard_at = 0.0

    def is_lost(self, host: Host) -> bool:
        self._hear()
        return is_lost(host)

    def was_lost(self, host: Host) -> bool:
        """The same of a host on which something just failed: that its connection ended, which may
        be why, is known a moment later.
        """
        gevent.sleep(_MOMENT_S)
        return is_lost(host)

    def mend(self, host: Host) -> str | None:
        """Connect again where the connection is lost, and see that the lock is held.

        Returns None, or why that cannot be done: then nothing more must be done there.
        """
        if self.is_lost(host) and (problem := self._connect(host)):
            return problem
        try:
            if lock := self.locks.get(host.name):
                lock.keep()
        except (Held, Robbed, NoAnswer) as problem:
            return str(problem)
        return None

    def _hear(self) -> None:
        """Let in what has come over the connections: the end of one, or that a lock is lost."""
        if time.monotonic() - self._heard_at > _HEARS_EVERY_S:
            for _ in range(_TURNS):
                gevent.sleep(0)
            self._heard_at = time.monotonic()

    def asked(self, host: Host, question: Callable[[], Answer]) -> Answer:
        """The answer to a question that reads a host, asked again where its connection was lost.

        Raises PyinfraError where there is none to be had.
        """
        for _ in range(_TRIES):
            try:
                answer = question()
            except (PyinfraError, OSError, EOFError, SSHException) as error:
                if not self.was_lost(host):
                    if isinstance(error, PyinfraError):
                        raise
                    raise PyinfraError(str(error) or type(error).__name__) from error
            else:
                if not self.is_lost(host):
                    return answer
            if problem := self.mend(host):
                raise PyinfraError(problem)
        raise PyinfraError("the connection was lost again and again")

    def _connect(self, host: Host) -> str | None:
        end = time.monotonic() + self.limit_s
        while True:
            try:
                host.connector.disconnect()
                host.connector.connect()
                self.prepare(host)
                break
            except Refused as refusal:
                return f"the connection was lost, and the new one is of no use: {refusal}"
            except (ConnectError, OSError, EOFError, SSHException) as error:
                if time.monotonic() >= end:
                    return (
                        "the connection was lost, and could not be made again within"
                        f" {self.limit_s:g} s: {error}"
                    )
                gevent.sleep(_TRIES_EVERY_S)
        # What failed only because nobody was there has not failed.
        self.state.failed_hosts.discard(host)
        self.state.active_hosts.add(host)
        return None
