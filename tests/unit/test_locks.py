"""The locks of many targets: all of them, or none, and as few round trips as may be."""

from pathlib import Path
from typing import Any, ClassVar

import gevent
import pytest

from state import locks
from state.held import Held
from state.holder import Holder
from state.locks import GRACE_S, Locks
from state.target_lock import NoAnswer

HOLDER = Holder("me", "here", "2026-01-01T00:00:00Z", "deploy")


class Host:
    def __init__(self, number: int) -> None:
        self.name = f"web{number}"
        self.data = {"ssh_hostname": f"10.0.0.{number}"}


class Lock:
    """A target's lock, of which others know as well; asking for one takes a moment."""

    held: ClassVar[dict[str, int]] = {}
    said: ClassVar[list[str]] = []
    wrong: ClassVar[dict[str, Exception]] = {}
    graces: ClassVar[list[float]] = []
    under_way = 0
    most_under_way = 0

    def __init__(self, host: Host, holder: Holder, begun: Any = None) -> None:
        self.host = host
        self.is_taken = False

    def take(self, wait_s: float = 0, waits: Any = None, grace_s: float = 0) -> None:
        Lock.under_way += 1
        Lock.most_under_way = max(Lock.most_under_way, Lock.under_way)
        gevent.sleep(0.01)
        Lock.under_way -= 1
        name = self.host.name
        if name in self.wrong:
            raise self.wrong[name]
        self.graces.append(grace_s)
        if self.held.get(name, 0) > 0:
            self.held[name] -= 1
            raise Held(name, None)
        self.said.append(f"take {name}")
        self.is_taken = True

    def release(self, copies: Any = None, limit_s: float = 0) -> str | None:
        if self.is_taken:
            self.said.append(f"release {self.host.name}")
        return f"{self.host.name} is full" if self.host.name in ("web1", "web2") else None


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Locks:
    monkeypatch.setattr(locks, "TargetLock", Lock)
    monkeypatch.setattr(locks, "has_connection", lambda host: True)
    monkeypatch.setattr(Lock, "held", {})
    monkeypatch.setattr(Lock, "said", [])
    monkeypatch.setattr(Lock, "wrong", {})
    monkeypatch.setattr(Lock, "graces", [])
    monkeypatch.setattr(Lock, "most_under_way", 0)
    return Locks(tmp_path, 0, lambda held: None)


HOSTS: list[Any] = [Host(number) for number in (3, 1, 4, 2)]


def test_all_are_taken_at_once(taken: Locks) -> None:
    taken.take_targets(HOSTS, HOLDER)
    assert Lock.said == ["take web1", "take web2", "take web3", "take web4"]
    assert Lock.most_under_way == 4
    assert list(taken.targets) == ["web1", "web2", "web3", "web4"]
    taken.release()
    assert sorted(Lock.said[4:]) == [f"release web{number}" for number in (1, 2, 3, 4)]
    assert taken.targets == {}


def test_who_does_not_get_the_first_keeps_no_other(taken: Locks) -> None:
    Lock.held["web1"] = 2
    with pytest.raises(Held, match="web1"):
        taken.take_targets(HOSTS, HOLDER)
    assert Lock.said[:3] == ["take web2", "take web3", "take web4"]
    assert sorted(Lock.said[3:]) == ["release web2", "release web3", "release web4"]
    # He who has it may have met us at another: he is waited for by nobody, and we wait for none.
    assert set(Lock.graces) == {0}


def test_nobody_keeps_what_is_behind_one_that_is_held(taken: Locks) -> None:
    Lock.held["web2"] = 1
    taken.take_targets(HOSTS, HOLDER)
    assert Lock.said[:3] == ["take web1", "take web3", "take web4"]
    assert sorted(Lock.said[3:5]) == ["release web3", "release web4"]
    assert Lock.said[5:] == ["take web2", "take web3", "take web4"]
    assert Lock.graces == [0, 0, 0, 0, GRACE_S, GRACE_S, GRACE_S]


def test_if_one_cannot_be_had_none_is_kept(taken: Locks) -> None:
    Lock.held["web3"] = 2
    with pytest.raises(Held, match="web3"):
        taken.take_targets(HOSTS, HOLDER)
    assert taken.targets == {}
    kept = [each for each in Lock.said if each.startswith("take")]
    assert sorted(each.replace("take", "release") for each in kept) == sorted(
        each for each in Lock.said if each.startswith("release")
    )


def test_a_target_that_does_not_answer_is_not_asked_twice(taken: Locks) -> None:
    Lock.wrong["web4"] = NoAnswer("web4 did not answer")
    with pytest.raises(NoAnswer, match="web4"):
        taken.take_targets(HOSTS, HOLDER)
    assert taken.targets == {}
    assert sorted(Lock.said) == [
        *(f"release web{number}" for number in (1, 2, 3)),
        *(f"take web{number}" for number in (1, 2, 3)),
    ]


def test_each_target_is_given_its_copies_and_who_could_not_take_them_is_told(taken: Locks) -> None:
    taken.take_targets(HOSTS, HOLDER)
    copies = {"web1": {"id": "text"}, "web2": {}, "web3": {"id": "text"}}
    assert taken.give_back(copies, 5) == {"web1": "web1 is full"}
    assert len(Lock.said) == 8
    assert taken.targets == {}


def test_what_was_begun_and_is_not_wanted_is_ended(
    taken: Locks, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[str] = []

    class Channel:
        def close(self) -> None:
            ended.append("closed")

    monkeypatch.setattr(locks, "begin", lambda host: gevent.spawn(Channel))
    taken.begin(HOSTS[0])
    taken.begin(HOSTS[1])
    taken.take_targets(HOSTS[:1], HOLDER)
    taken.release()
    assert ended == ["closed"]
