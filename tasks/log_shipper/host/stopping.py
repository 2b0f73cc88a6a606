"""A clean stop: the shipper has sent everything, so its last positions are the checkpoint."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

from . import checkpoint, delivery
from .generations import is_still
from .metrics import Page, Unreadable
from .settings import Settings

MARK = "stopping.json"
# Alloy gives up what it could not send 15 s after it was told to stop, Promtail never. A shipper
# that ended earlier, and by itself, has sent everything. Loki itself cannot be asked: systemd shows
# the password to the shipper alone, and not to the commands around its stop.
DRAINED_S = 12.0


def before(
    settings: Settings, fetch: Callable[[], Page], clock: Callable[[], float] = time.monotonic
) -> bool:
    """Note, before the shipper is told to stop, that it sends without hindrance; else nothing."""
    mark = settings.checkpoint / MARK
    with suppress(FileNotFoundError):
        mark.unlink()
    try:
        if not delivery.is_idle(fetch):
            return False
    except Unreadable:
        return False
    settings.checkpoint.mkdir(mode=0o700, exist_ok=True)
    checkpoint.write(mark, json.dumps({"at": clock()}) + "\n")
    return True


def after(
    settings: Settings,
    environ: Mapping[str, str] = os.environ,
    clock: Callable[[], float] = time.monotonic,
) -> bool:
    """Make the last positions the checkpoint, if the shipper stopped cleanly; else keep it.

    ``environ``: with how systemd saw the shipper end.
    """
    mark = settings.checkpoint / MARK
    try:
        waited_s = clock() - float(json.loads(mark.read_text())["at"])
        mark.unlink()
    except (OSError, ValueError, KeyError, TypeError):
        return False
    ended = [environ.get(name) for name in ("SERVICE_RESULT", "EXIT_CODE", "EXIT_STATUS")]
    if ended != ["success", "exited", "0"] or not 0 <= waited_s < DRAINED_S:
        return False
    last = checkpoint.take(settings)
    if _was_rotated(checkpoint.load(settings), last):
        # The shipper may not have noticed, and its position be one in the file of before.
        return False
    checkpoint.save(last, settings)
    return True


def _was_rotated(old: checkpoint.Checkpoint | None, new: checkpoint.Checkpoint) -> bool:
    if old is None:
        return False
    return any(path in old.files and not is_still(path, old.files[path]) for path in new.files)
