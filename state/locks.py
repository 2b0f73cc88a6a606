"""All locks of one run: its checkout's, and those of the targets that it works on."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import gevent
from pyinfra.api import Host

from state.checkout_lock import CheckoutLock
from state.connection import has_connection
from state.held import Held
from state.holder import Holder
from state.target_lock import NoAnswer, Robbed, TargetLock, begin

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
        self._begun: dict[str, gevent.Greenlet] = {}

    def begin(self, host: Host) -> None:
        """Get ready to take a target's, while other things are done."""
        if has_connection(host):
            self._begun[host.name] = begin(host)
            gevent.sleep(0)

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
        locks = [
            TargetLock(host, holder, self._begun.pop(host.name, None))
            for host in ordered
            if has_connection(host)
        ]
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

    def give_back(self, copies: Mapping[str, Mapping[str, str]], limit_s: float) -> dict[str, str]:
        """Hold no target's any more; ``copies``: target → what it is to be given before.

        Returns target → why it has not got that, for those.
        """
        giving = {
            name: gevent.spawn(lock.release, copies.get(name), limit_s)
            for name, lock in self.targets.items()
        }
        self.targets.clear()
        gevent.joinall(giving.values())
        problems = {name: greenlet.get() for name, greenlet in giving.items()}
        return {name: problem for name, problem in problems.items() if problem and copies.get(name)}

    def release(self) -> None:
        """Hold none any more."""
        _release(self.targets.values())
        self.targets.clear()
        for greenlet in self._begun.values():
            if greenlet.ready() and (channel := greenlet.value):
                channel.close()
        self._begun.clear()
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
