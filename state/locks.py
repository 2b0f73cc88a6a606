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

# How long others may take to give back what they cannot use.
GRACE_S = 2


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
        self._releasing: list[gevent.Greenlet] = []

    def take_checkout(self, holder: Holder) -> None:
        """Raises Held, and OSError for a folder that cannot be used."""
        self._end = time.monotonic() + self._wait_s
        self._checkout.take(holder, self._left(), self._waits)

    def take_targets(self, hosts: Iterable[Host], holder: Holder) -> None:
        """Hold all of them; if one cannot be had, none. Raises Held, Robbed, NoAnswer.

        All are asked for at once. Behind one that somebody else has they are given back, and taken
        one by one, by everybody in the same order, so no two wait for each other. Who has the first
        waits for the others a moment in any case: so long as they may yet be given back.
        """
        self._checkout.describe(holder)
        ordered = sorted(hosts, key=lambda host: str(host.data.get("ssh_hostname")))
        locks = [TargetLock(host, holder) for host in ordered if has_connection(host)]
        try:
            had = self._take_at_once(locks)
            for number, lock in enumerate(locks[had:], had):
                lock.take(self._left(), self._waits, GRACE_S if number else 0)
                self.targets[lock.host.name] = lock
        except BaseException:
            self.release()
            raise

    def _take_at_once(self, locks: Sequence[TargetLock]) -> int:
        """Hold those before the first that is held; how many. Raises Robbed, NoAnswer."""
        taking = [gevent.spawn(_taken, lock) for lock in locks]
        try:
            problems = [greenlet.get() for greenlet in taking]
        finally:
            gevent.killall(taking)
        had = next((at for at, problem in enumerate(problems) if problem), len(locks))
        self.targets |= {lock.host.name: lock for lock in locks[:had]}
        gevent.joinall(_begin_release(locks[had:]))
        for problem in problems:
            if problem and not isinstance(problem, Held):
                raise problem
        return had

    def describe(self, holder: Holder) -> None:
        """Say otherwise who holds them all, and for what."""
        self._checkout.describe(holder)
        for lock in self.targets.values():
            lock.describe(holder)

    def begin_release(self) -> None:
        """Give all back; ``release`` waits until that is so."""
        self._releasing += _begin_release(self.targets.values())
        self.targets.clear()

    def release(self) -> None:
        """Hold none any more."""
        self.begin_release()
        gevent.joinall(self._releasing)
        self._releasing.clear()
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


def _begin_release(locks: Iterable[TargetLock]) -> list[gevent.Greenlet]:
    greenlets = [gevent.spawn(lock.release) for lock in locks]
    gevent.sleep(0)
    return greenlets
