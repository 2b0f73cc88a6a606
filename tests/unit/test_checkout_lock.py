"""The checkout's lock: one at a time, and free again however its holder ended."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from configs import PROJECT
from state.checkout_lock import CheckoutLock
from state.held import Held
from state.holder import Holder

ALICE = Holder("alice", "laptop", "2026-11-26T03:10:00Z", "deploy", "20261126-031000-abcdef", "hi")
HOLDS = """\
import sys, time
from pathlib import Path
from state.checkout_lock import CheckoutLock
from tests.unit.test_checkout_lock import ALICE
CheckoutLock(Path(sys.argv[1])).take(ALICE)
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def other(tmp_path: Path) -> "subprocess.Popen[str]":
    """Another process that holds the lock."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(tmp_path)], cwd=PROJECT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout and process.stdout.readline() == "held\n"
    return process


def test_who_comes_second_is_told_who_holds_it(
    tmp_path: Path, other: "subprocess.Popen[str]"
) -> None:
    with pytest.raises(Held) as caught:
        CheckoutLock(tmp_path).take(Holder("bob", "desk", "2026-11-26T03:11:00Z", "deploy"))
    other.kill()
    other.wait()
    assert caught.value.holder == ALICE
    text = str(caught.value)
    assert "this checkout is held by alice@laptop, since 2026-11-26T03:10:00Z" in text
    assert 'deploy 20261126-031000-abcdef, "hi"' in text
    assert "--data lock_wait=300" in caught.value.remedy


def test_a_killed_holder_holds_nothing(tmp_path: Path, other: "subprocess.Popen[str]") -> None:
    other.kill()
    other.wait()
    lock = CheckoutLock(tmp_path)
    lock.take(ALICE)
    lock.release()


def test_who_waits_gets_it_and_is_told_once_for_whom(
    tmp_path: Path, other: "subprocess.Popen[str]"
) -> None:
    told: list[Held] = []

    def end(held: Held) -> None:
        told.append(held)
        time.sleep(0.5)
        other.kill()
        other.wait()

    CheckoutLock(tmp_path).take(ALICE, 20, end)
    assert [each.holder for each in told] == [ALICE]


def test_released_it_says_nothing_of_its_last_holder(tmp_path: Path) -> None:
    lock = CheckoutLock(tmp_path)
    lock.take(ALICE)
    assert "alice" in lock.path.read_text()
    assert lock.path.stat().st_mode & 0o777 == 0o600
    lock.release()
    lock.release()
    assert lock.path.read_text() == ""
