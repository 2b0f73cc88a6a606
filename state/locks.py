"""All locks of one run: its checkout's, and those of the targets that it works on."""

import time
from collections.abc import Callable, Iterable
from pathlib import Path

from pyinfra.api import Host

from state.checkout_lock import CheckoutLock
from state.connection import has_connection
from state.held import Held
from state.holder import Holder
from state.target_lock import TargetLock


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

        Everybody takes them in the same order, so no two wait for each other.
        """
        self._checkout.describe(holder)
        try:
            for host in sorted(hosts, key=lambda host: str(host.data.get("ssh_hostname"))):
                if has_connection(host):
                    lock = TargetLock(host, holder)
                    lock.take(self._left(), self._waits)
                    self.targets[host.name] = lock
        except BaseException:
            self.release()
            raise

    def describe(self, holder: Holder) -> None:
        """Say otherwise who holds them all, and for what."""
        self._checkout.describe(holder)
        for lock in self.targets.values():
            lock.describe(holder)

    def release(self) -> None:
        for lock in self.targets.values():
            lock.release()
        self.targets.clear()
        self._checkout.release()

    def _left(self) -> float:
        return max(0, self._end - time.monotonic())
