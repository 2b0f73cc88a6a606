"""All locks of one run: its checkout's, and those of the targets that it works on."""

import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import gevent
from pyinfra.api import Host

from state.checkout_lock import CheckoutLock
from state.connection import has_connection
from state.held import Held
from state.holder import Holder
from state.target_lock import NoAnswer, Robbed, TargetLock


class Locks:
    """``wait_s``: for how long all of them together may be waited for, in seconds.

    ``waits`` is told who has what is waited for.
    """

    def __init__(self, folder: Path, wait_s: float, waits: Callable[[Held], None]) -> None:
        self.targets: dict[str, TargetLock] = {}
        self._checkout = CheckoutLock(folder)
        self._wait_s = wait_s
        self._end = 0.0
        self._waits = waits

    def take_checkout(self, holder: Holder) -> None:
        """Raises Held, and OSError for a folder that cannot be used."""
        self._end = time.monotonic() + self._wait_s
        self._checkout.take(holder, self._left(), self._waits)

    def take_targets(self, hosts: Iterable[Host], holder: Holder) -> None:
        """Hold all of them; if one cannot be had, none. Raises Held, Robbed, NoAnswer.

        Everybody takes them in the same order, so no two wait for each other. Who has the first
        asks for all others at once; behind one that somebody else has they are given back, and
        taken one by one. Two who want different targets may so be refused both.
        """
        self._checkout.describe(holder)
        ordered = sorted(hosts, key=lambda host: str(host.data.get("ssh_hostname")))
        locks = [TargetLock(host, holder) for host in ordered if has_connection(host)]
        try:
            for lock in locks[:1]:
                self._take(lock)
            for lock in locks[1 + self._take_at_once(locks[1:]) :]:
                self._take(lock)
        except BaseException:
            self.release()
            raise

    def _take(self, lock: TargetLock) -> None:
        lock.take(self._left(), self._waits)
        self.targets[lock.host.name] = lock

    def _take_at_once(self, locks: Sequence[TargetLock]) -> int:
        """Hold those before the first that is held; how many. Raises Robbed, NoAnswer."""
        taking = [gevent.spawn(_taken, lock) for lock in locks]
        try:
            problems = [greenlet.get() for greenlet in taking]
        finally:
            gevent.killall(taking)
        had = next((at for at, problem in enumerate(problems) if problem), len(locks))
        self.targets |= {lock.host.name: lock for lock in locks[:had]}
        _release(locks[had:])
        for problem in problems:
            if problem and not isinstance(problem, Held):
                raise problem
        return had

    def describe(self, holder: Holder) -> None:
        """Say otherwise who holds them all, and for what."""
        self._checkout.describe(holder)
        for lock in self.targets.values():
            lock.describe(holder)

    def release(self) -> None:
        _release(self.targets.values())
        self.targets.clear()
        self._checkout.release()

    def _left(self) -> float:
        return max(0, self._end - time.monotonic())


def _taken(lock: TargetLock) -> Exception | None:
    """Hold it, if it can be had at once; what is in the way."""
    try:
        lock.take()
    except (Held, Robbed, NoAnswer) as problem:
        return problem
    return None


def _release(locks: Iterable[TargetLock]) -> None:
    gevent.joinall([gevent.spawn(lock.release) for lock in locks])
