"""One deploy at a time from one checkout: a lock that the kernel frees when its process ends."""

import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path

from state.held import Held
from state.holder import Holder, read_holder

_ASKS_EVERY_S = 0.2


class CheckoutLock:
    """The file ``lock`` in ``folder``; nothing of it has to be cleaned up, whoever is killed."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "lock"
        self._descriptor: int | None = None

    def take(
        self, holder: Holder, wait_s: float = 0, waits: Callable[[Held], None] = lambda _: None
    ) -> None:
        """Hold it. ``waits`` is told once who has it. Raises Held, and OSError for an unusable
        folder.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            self._wait(descriptor, wait_s, waits)
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        self.describe(holder)

    def describe(self, holder: Holder) -> None:
        """Say more of who holds it."""
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, holder.to_json().encode(), 0)

    def release(self) -> None:
        """Hold it no more; once is enough, twice does no harm."""
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = None

    def _wait(self, descriptor: int, wait_s: float, waits: Callable[[Held], None]) -> None:
        end = time.monotonic() + wait_s
        told = False
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                held = Held("", read_holder(os.pread(descriptor, 65536, 0).decode()))
            if time.monotonic() >= end:
                raise held
            if not told:
                waits(held)
                told = True
            time.sleep(_ASKS_EVERY_S)
