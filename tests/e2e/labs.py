"""Labs that last as long as the tests that need them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.lab import Lab


def need_root() -> None:
    """Skip the tests that boot machines for who may not."""
    if os.geteuid() != 0:
        pytest.skip("these tests boot machines, which only root may: run them with sudo")


@contextmanager
def brought_up(lab: Lab) -> Iterator[Lab]:
    """A lab with fresh machines; what an earlier run left of it is taken away before."""
    lab.down()
    try:
        lab.up()
        yield lab
    finally:
        lab.down()
