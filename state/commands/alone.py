"""A command that changes the history has it for itself, as a deploy does."""

from collections.abc import Iterator
from contextlib import contextmanager

from configs.paths import PROJECT
from state.checkout_lock import CheckoutLock
from state.deployer import identify
from state.held import Held
from state.holder import holder_of
from state.refusing import Refusal
from state.store import Store, now


@contextmanager
def alone(store: Store, action: str) -> Iterator[None]:
    """Hold the checkout's lock meanwhile, for ``action``. Raises Refusal."""
    deployer = identify(PROJECT, "127.0.0.1")
    lock = CheckoutLock(store.folder)
    try:
        lock.take(holder_of(deployer, now(), action))
    except Held as held:
        raise Refusal(str(held), "nobody else at work in this checkout", held.remedy) from None
    try:
        yield
    finally:
        lock.release()
