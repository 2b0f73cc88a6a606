"""The ids of deployments: each sorts after those before it."""

import re
import secrets
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

_TIME = "%Y%m%d-%H%M%S"
_ID = re.compile(r"[0-9]{8}-[0-9]{6}-[0-9a-f]{6}")


def new_id() -> str:
    """A deployment's id, ``YYYYMMDD-HHMMSS-xxxxxx`` (UTC, and 24 random bits)."""
    return f"{datetime.now(UTC):{_TIME}}-{secrets.token_hex(3)}"


def is_id(text: str) -> bool:
    """Tell whether a text is a deployment's id, as those that targets send may not be."""
    return bool(_ID.fullmatch(text))


def next_id(ids: Iterable[str]) -> str:
    """An id that sorts after all these: at most a second passes until there is one."""
    newest = max(past(ids), default="")
    while (deployment_id := new_id())[:15] <= newest[:15]:
        time.sleep(0.05)
    return deployment_id


def past(ids: Iterable[str]) -> list[str]:
    """Without those of the future: some clock was wrong, and waiting does not help."""
    soon = f"{datetime.now(UTC) + timedelta(seconds=2):{_TIME}}"
    return [each for each in ids if each[:15] <= soon]
