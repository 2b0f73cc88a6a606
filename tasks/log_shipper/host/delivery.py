"""Proof that Loki has everything that the shipper had read at a moment."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from .checkpoint import Checkpoint
from .generations import Identity, is_still
from .metrics import Page

# An entry of several lines waits 3 s for its next line, a batch 1 s for its next entry, and the
# sending queue looks for ripe batches every 0.1 s.
SETTLE_S = 6.0
# A batch is encoded at once after the one before it was sent. To be taken for idle, the queue has
# to be seen between two batches this many times in a row.
IDLE_SAMPLES = 3
SAMPLE_S = 0.2
SAMPLES = 15
# A queue of 10 MiB holds ten batches of 1 MiB, and one each is being sent and gathered. After so
# many batches everything that was in the queue has been sent: it has one worker.
BATCHES_IN_QUEUE = 12
# A shipper looks up how far it is in a file every 10 s, and writes that down every 10 s. So long
# after a rotation a position may be one in the file of before.
STABLE_S = 25.0


def is_delivered(fetch: Callable[[], Page], sleep: Callable[[float], None] = time.sleep) -> bool:
    """Whether Loki has what was read when this was called; it takes 6 to 10 seconds.

    ``fetch``: gets the metrics page, and raises `Unreadable` if that fails.
    """
    before = fetch()
    sleep(SETTLE_S)
    settled = latest = fetch()
    if not settled.follows(before):
        return False
    idle = 0
    for _ in range(SAMPLES):
        idle = idle + 1 if latest.is_idle else 0
        if idle >= IDLE_SAMPLES or latest.done_since(settled) >= BATCHES_IN_QUEUE:
            return True
        sleep(SAMPLE_S)
        page = fetch()
        if not page.follows(latest):
            return False
        latest = page
    return False


def is_idle(fetch: Callable[[], Page], sleep: Callable[[float], None] = time.sleep) -> bool:
    """Whether the queue is between two batches at some moment of the next second."""
    for _ in range(10):
        if fetch().is_idle:
            return True
        sleep(0.1)
    return False


@dataclass
class Stability:
    """How long log files have been what they are, for positions that are older than a look."""

    clock: Callable[[], float] = time.monotonic
    _since: dict[str, tuple[Identity | None, float]] = field(default_factory=dict)

    def is_stable(self, checkpoint: Checkpoint) -> bool:
        """Whether no log file was replaced in the last seconds; to be asked often."""
        now = self.clock()
        known = {}
        for path in checkpoint.offsets():
            identity = checkpoint.files.get(path)
            before, since = self._since.get(path, (identity, now))
            is_same = is_still(path, before) if before and identity else before == identity
            known[path] = (identity, since if is_same else now)
        self._since = known
        return all(now - since >= STABLE_S for _, since in known.values())
