"""A target's lock: its own script, run here by bash with the kernel's locks, by several at once."""

import base64
import gzip
import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import gevent
import pytest
from gevent.os import tp_read
from paramiko import ChannelException

from facts.turns import last_turn
from state import target_lock
from state.held import Held
from state.holder import Holder
from state.target_lock import Robbed, TargetLock, rob
from tests.unit.helpers import fake_state

ALICE = Holder("alice", "laptop", "2026-11-26T03:10:00Z", "deploy", "20261126-031000-aaaaaa", "hi")
BOB = Holder("bob", "desk", "2026-11-26T03:11:00Z", "deploy", "20261126-031100-bbbbbb")


class Pipe:
    """What a channel to a host is here: the pipes of a process."""

    def __init__(self, command: str) -> None:
        self.process = subprocess.Popen(
            ["sh", "-c", command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
        )

    closed = False

    def settimeout(self, seconds: float | None) -> None:
        """Tests end anyway."""

    def sendall(self, data: bytes) -> None:
        assert self.process.stdin
        self.process.stdin.write(data)

    def recv(self, size: int) -> bytes:
        assert self.process.stdout
        return bytes(tp_read(self.process.stdout.fileno(), size))  # others go on meanwhile

    def recv_stderr(self, size: int) -> bytes:
        assert self.process.stderr
        return self.process.stderr.read(size)

    def close(self) -> None:
        """The end of the connection: the process there is told so by the end of its input."""
        assert self.process.stdin
        self.closed = True
        self.process.stdin.close()


@pytest.fixture
def pipes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Pipe]]:
    """The connections that are made; the lock is in a folder of the test's."""
    made: list[Pipe] = []

    def start(host: object, command: str) -> Pipe:
        made.append(Pipe(command))
        return made[-1]

    monkeypatch.setattr(target_lock, "start_command", start)
    monkeypatch.setattr(target_lock, "FOLDER", str(tmp_path / "run"))
    monkeypatch.setattr(target_lock, "RECORDS", str(tmp_path / "records"))
    yield made
    for each in made:
        each.process.kill()
        each.process.wait()


def lock(holder: Holder) -> TargetLock:
    return TargetLock(fake_state(["web"]).inventory.get_host("@fake/web"), holder)


def ends(pipe: Pipe) -> None:
    """Wait until the process on the target has ended by itself."""
    pipe.process.wait(20)


def test_one_at_a_time_and_the_second_is_told_who(pipes: list[Pipe], tmp_path: Path) -> None:
    (tmp_path / "records").mkdir()
    (tmp_path / "records" / "20260101-000000-cccccc.json.gz").touch()
    first = lock(ALICE)
    first.take()
    assert first.copies == ["20260101-000000-cccccc"]
    with pytest.raises(Held) as caught:
        lock(BOB).take()
    assert caught.value.holder == ALICE
    assert caught.value.silent_s is not None and caught.value.silent_s < 5
    assert "python -m state unlock @fake/web" in caught.value.remedy
    first.release()
    ends(pipes[0])
    lock(BOB).take()


def test_the_lock_goes_with_the_connection(pipes: list[Pipe], tmp_path: Path) -> None:
    lock(ALICE).take()
    pipes[0].close()
    ends(pipes[0])
    lock(BOB).take()
    assert "bob" in (tmp_path / "run" / "deploy.json").read_text()


def test_a_killed_process_leaves_nothing_in_the_way(pipes: list[Pipe]) -> None:
    lock(ALICE).take()
    pipes[0].process.kill()
    ends(pipes[0])
    lock(BOB).take()


def test_who_is_silent_for_too_long_holds_nothing(
    pipes: list[Pipe], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(target_lock, "LEASE_S", 1)
    lock(ALICE).take()
    ends(pipes[0])  # its computer has no power, but the connection is not closed
    lock(BOB).take()


def test_who_waits_gets_it(pipes: list[Pipe]) -> None:
    lock(ALICE).take()
    told: list[Held] = []

    def end(held: Held) -> None:
        told.append(held)
        pipes[0].close()

    lock(BOB).take(20, end)
    assert [each.holder for each in told] == [ALICE]


def test_who_waits_in_vain_is_told(pipes: list[Pipe]) -> None:
    lock(ALICE).take()
    with pytest.raises(Held):
        lock(BOB).take(1)


def test_what_is_given_back_in_a_moment_is_waited_for_without_a_word(pipes: list[Pipe]) -> None:
    first = lock(ALICE)
    first.take()
    gevent.spawn_later(0.3, first.release)
    told: list[Held] = []
    lock(BOB).take(0, told.append, grace_s=10)
    assert told == []
    with pytest.raises(Held) as caught:
        lock(ALICE).take(0, told.append, grace_s=1)
    assert caught.value.holder == BOB
    assert told == []


def test_who_gets_ready_holds_nothing_yet(pipes: list[Pipe]) -> None:
    host = fake_state(["web"]).inventory.get_host("@fake/web")
    begun = target_lock.begin(host)
    early = TargetLock(host, ALICE, begun)
    other = lock(BOB)
    other.take()
    with pytest.raises(Held):
        early.take()
    # Its process has said so, and ended: another one is asked the next time.
    other.release()
    ends(pipes[1])
    early.take()
    assert len(pipes) == 3


def test_who_gets_ready_and_takes_no_part_leaves_nothing(pipes: list[Pipe], tmp_path: Path) -> None:
    host = fake_state(["web"]).inventory.get_host("@fake/web")
    target_lock.begin(host).get()
    pipes[0].close()
    ends(pipes[0])
    assert not (tmp_path / "run").exists()


def test_what_got_ready_is_used(pipes: list[Pipe]) -> None:
    host = fake_state(["web"]).inventory.get_host("@fake/web")
    mine = TargetLock(host, ALICE, target_lock.begin(host))
    mine.take()
    assert len(pipes) == 1
    with pytest.raises(Held):
        lock(BOB).take()


def test_a_host_that_does_not_let_us_get_ready_is_asked_again(
    pipes: list[Pipe], monkeypatch: pytest.MonkeyPatch
) -> None:
    host = fake_state(["web"]).inventory.get_host("@fake/web")
    usual = vars(target_lock)["start_command"]

    def refuse(host: object, command: str) -> Pipe:
        raise ChannelException(1, "no more sessions")

    monkeypatch.setattr(target_lock, "start_command", refuse)
    begun = target_lock.begin(host)
    begun.join()
    monkeypatch.setattr(target_lock, "start_command", usual)
    TargetLock(host, ALICE, begun).take()
    assert len(pipes) == 1


def _text(content: bytes) -> str:
    return base64.b64encode(gzip.compress(content)).decode() + "\n"


def test_it_is_given_back_with_copies_of_records(pipes: list[Pipe], tmp_path: Path) -> None:
    mine = lock(ALICE)
    mine.take()
    large = os.urandom(300_000)
    assert mine.release({"one": _text(b"first"), "two": _text(large)}, 20) is None
    ends(pipes[0])
    there = {each.name: each for each in (tmp_path / "records").iterdir()}
    assert there.keys() == {"one.json.gz", "two.json.gz"}
    assert gzip.decompress(there["two.json.gz"].read_bytes()) == large
    assert there["one.json.gz"].stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "records").stat().st_mode & 0o777 == 0o700
    lock(BOB).take()


def test_a_host_that_cannot_take_copies_says_why_and_is_given_back(
    pipes: list[Pipe], tmp_path: Path
) -> None:
    (tmp_path / "records").touch()
    mine = lock(ALICE)
    mine.take()
    problem = mine.release({"one": _text(b"first"), "two": _text(b"second")}, 20)
    assert problem and "records" in problem
    ends(pipes[0])
    lock(BOB).take()


def test_a_copy_that_is_cut_off_replaces_none(pipes: list[Pipe], tmp_path: Path) -> None:
    mine = lock(ALICE)
    mine.take()
    half = _text(os.urandom(3000))[:2000] + "\n"
    assert mine.release({"one": _text(b"first"), "two": half}, 20)
    ends(pipes[0])
    assert not (tmp_path / "records" / "two.json.gz").exists()
    assert (tmp_path / "records" / "one.json.gz").exists()


def test_who_has_lost_it_can_hand_over_nothing(pipes: list[Pipe]) -> None:
    assert lock(ALICE).release({"one": "text"}) == "its lock was lost"


def _last_turn(tmp_path: Path) -> str | None:
    done = subprocess.run(
        ["sh", "-c", last_turn(str(tmp_path / "run"))], capture_output=True, text=True
    )
    return done.stdout.strip() if done.returncode == 0 else None


def test_each_turn_has_a_mark_that_the_next_one_is_told(pipes: list[Pipe], tmp_path: Path) -> None:
    seen = [_last_turn(tmp_path)]
    assert seen == ["none"]
    for _ in range(2):
        mine = lock(ALICE)
        mine.take()
        assert mine.turn == seen[-1]
        # Nobody can tell what holds while it is somebody's turn.
        assert _last_turn(tmp_path) is None
        mine.release()
        ends(pipes[-1])
        seen.append(_last_turn(tmp_path))
    assert None not in seen and len(set(seen)) == 3


def test_who_waited_for_another_is_told_no_mark(pipes: list[Pipe]) -> None:
    first, second = lock(ALICE), lock(BOB)
    first.take()
    gevent.spawn_later(0.1, first.release)
    second.take(20)
    assert second.turn is None


def test_who_was_killed_in_his_turn_leaves_it_open(pipes: list[Pipe], tmp_path: Path) -> None:
    lock(ALICE).take()
    pipes[0].process.kill()
    ends(pipes[0])
    assert _last_turn(tmp_path) is None
    last = lock(BOB)
    last.take()
    last.release()
    ends(pipes[1])
    assert _last_turn(tmp_path) is not None


def test_of_many_at_the_same_instant_one_gets_it(pipes: list[Pipe]) -> None:
    answers: list[object] = []
    for number in range(10):
        holder = Holder(f"user{number}", "h", "2026-11-26T03:10:00Z", "deploy", f"id{number}")
        try:
            lock(holder).take()
            answers.append("taken")
        except Held as held:
            answers.append(held.holder and held.holder.user)
    assert answers == ["taken", *["user0"] * 9]


def test_who_is_robbed_learns_it_and_gets_nothing_back(pipes: list[Pipe]) -> None:
    first = lock(ALICE)
    first.take()
    assert rob(first.host, "bob@desk") == (True, ALICE)
    ends(pipes[0])
    gevent.sleep(0.05)
    with pytest.raises(Robbed, match="bob@desk took over the lock on @fake/web"):
        first.keep()
    again = lock(ALICE)  # as after a lost connection, when nobody could be told
    with pytest.raises(Robbed):
        again.take()
    lock(BOB).take()


def test_nobody_is_robbed_where_nobody_is(pipes: list[Pipe]) -> None:
    host = lock(BOB).host
    assert rob(host, "bob@desk") == (False, None)
    holding = lock(BOB)
    holding.take()
    holding.release()
    ends(pipes[1])
    assert rob(host, "bob@desk") == (False, None)


def test_a_lost_lock_is_taken_again(pipes: list[Pipe]) -> None:
    holding = lock(ALICE)
    holding.take()
    pipes[0].close()
    ends(pipes[0])
    gevent.sleep(0.05)
    holding.keep()
    with pytest.raises(Held):
        lock(BOB).take()


def test_a_target_that_cannot_lock_says_why(pipes: list[Pipe], tmp_path: Path) -> None:
    (tmp_path / "run").touch()
    with pytest.raises(target_lock.NoAnswer, match="mkdir"):
        lock(ALICE).take()


def test_what_holds_is_for_root_alone(pipes: list[Pipe], tmp_path: Path) -> None:
    lock(ALICE).take()
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "run").iterdir()}
    assert modes["deploy.json"] == 0o600


def test_who_holds_it_may_say_more_later(pipes: list[Pipe]) -> None:
    first = lock(ALICE)
    first.take()
    later = replace(ALICE, deployment_id="20261126-031500-dddddd")
    first.describe(later)
    held: Held | None = None
    for _ in range(50):
        try:
            lock(BOB).take()
        except Held as problem:
            held = problem
        if held and held.holder == later:
            break
        gevent.sleep(0.1)
    assert held is not None and held.holder == later
    assert rob(first.host, "bob@desk") == (True, later)
    ends(pipes[0])
    gevent.sleep(0.05)
    with pytest.raises(Robbed, match="bob@desk took over"):
        first.keep()
