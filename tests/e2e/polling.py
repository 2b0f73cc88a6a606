"""Waiting for something to become true, instead of sleeping and hoping."""

import time
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")


def wait_for(
    what: str, question: Callable[[], Result], limit_s: float = 60, every_s: float = 0.1
) -> Result:
    """Ask until the answer is true, and return it; AssertionError after ``limit_s`` seconds."""
    deadline = time.monotonic() + limit_s
    while not (answer := question()):
        assert time.monotonic() < deadline, f"waited {limit_s:g} s in vain for {what}"
        time.sleep(every_s)
    return answer
