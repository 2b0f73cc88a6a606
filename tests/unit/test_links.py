"""Links: a lost connection is made again within a limit, prepared as the first one, and locked."""

from typing import Any

import gevent
import pytest
from paramiko.ssh_exception import SSHException
from pyinfra.api import Host, State
from pyinfra.api.exceptions import ConnectError, PyinfraError

from configs.findings import Finding
from state.held import Held
from state.links import Links
from state.sudo import Refused
from state.target_lock import Robbed
from tests.unit.helpers import fake_state


class Transport:
    """Whether somebody is at the other end."""

    def __init__(self, active: bool) -> None:
        self.active = active

    def is_active(self) -> bool:
        return self.active


class Client:
    """The SSH client of a connector."""

    def __init__(self, active: bool) -> None:
        self.transport = Transport(active)

    def get_transport(self) -> Transport:
        return self.transport


class Lock:
    """A lock that is held, unless it ends otherwise."""

    def __init__(self, problem: Exception | None = None) -> None:
        self.problem = problem

    def keep(self) -> None:
        if self.problem:
            raise self.problem


class Network:
    """One host whose connection is lost, and what connecting again meets, one after the other."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *meets: Exception) -> None:
        self.state: State = fake_state(["a", "b"])
        self.host: Host = self.state.inventory.get_host("@fake/a")
        self.meets = list(meets)
        self.prepared = 0
        connector: Any = self.host.connector
        connector.client = Client(active=False)
        monkeypatch.setattr(connector, "connect", self._connect)
        monkeypatch.setattr("state.links._TRIES_EVERY_S", 0.01)

    def _connect(self) -> None:
        if self.meets:
            raise self.meets.pop(0)
        connector: Any = self.host.connector
        connector.client = Client(active=True)

    def links(self, lock: Any = None, limit_s: float = 5) -> Links:
        def prepare(host: Host) -> None:
            self.prepared += 1

        locks: dict[str, Any] = {"@fake/a": lock or Lock()}
        return Links(self.state, prepare, locks, limit_s)


def test_it_is_made_again_when_somebody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network(monkeypatch, ConnectError("refused"), OSError("no route"))
    network.state.failed_hosts.add(network.host)
    network.state.active_hosts.discard(network.host)
    links = network.links()
    assert links.is_lost(network.host)
    assert links.mend(network.host) is None
    assert not links.is_lost(network.host)
    assert network.prepared == 1
    assert network.host in network.state.active_hosts
    assert network.host not in network.state.failed_hosts


def test_a_connection_that_holds_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network(monkeypatch)
    links = network.links()
    assert links.mend(network.host) is None
    assert links.mend(network.host) is None
    assert network.prepared == 1


def test_the_limit_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network(monkeypatch, *[ConnectError("refused")] * 1000)
    problem = network.links(limit_s=0.1).mend(network.host)
    assert problem == ("the connection was lost, and could not be made again within 0.1 s: refused")


def test_a_host_that_lets_nobody_become_root_any_more_is_no_use(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network = Network(monkeypatch)

    def refuse(host: Host) -> None:
        raise Refused(Finding("sudo", "no", "yes", "let it"))

    links = Links(network.state, refuse, {})
    assert "sudo: found no" in (links.mend(network.host) or "")


@pytest.mark.parametrize("problem", [Held("web", None), Robbed("web", "bob@desk")])
def test_who_lost_the_lock_to_another_does_nothing_more(
    monkeypatch: pytest.MonkeyPatch, problem: Exception
) -> None:
    network = Network(monkeypatch)
    assert network.links(Lock(problem)).mend(network.host) == str(problem)


def test_a_question_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network(monkeypatch)
    links = network.links()
    answers = iter(["of nobody", "42"])
    assert links.asked(network.host, lambda: next(answers)) == "42"


def test_a_question_that_fails_for_another_reason_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network(monkeypatch)
    links = network.links()
    links.mend(network.host)

    def ask() -> str:
        raise PyinfraError("no such fact")

    with pytest.raises(PyinfraError, match="no such fact"):
        links.asked(network.host, ask)


def test_hosts_without_a_connection_have_none_to_lose() -> None:
    state = fake_state(["a"])
    links = Links(state, lambda host: None, {})
    assert not links.is_lost(state.inventory.get_host("@fake/a"))


def test_a_lane_that_waits_for_nothing_hears_of_a_lost_lock(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network = Network(monkeypatch)
    connector: Any = network.host.connector
    connector.client = Client(active=True)
    lock = Lock()
    links = network.links(lock)

    def robbed() -> None:
        lock.problem = Robbed("a", "somebody")

    gevent.spawn(robbed)
    assert "somebody took over the lock" in str(links.mend(network.host))


@pytest.mark.parametrize("error", [EOFError(), SSHException("Channel is not open"), OSError()])
def test_an_end_that_is_known_a_moment_after_what_failed_by_it_is_one(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    network = Network(monkeypatch)
    connector: Any = network.host.connector
    connector.client = Client(active=True)
    links = network.links()
    answers: list[Any] = [error, "an answer"]

    def ends() -> None:
        connector.client.transport.active = False

    def ask() -> Any:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            gevent.spawn(ends)
            raise answer
        return answer

    assert links.asked(network.host, ask) == "an answer"
    assert network.prepared == 1
    # Where the connection holds, it is what it is.
    answers[:] = [error]
    monkeypatch.setattr(Transport, "is_active", lambda self: True)
    with pytest.raises(PyinfraError, match=r"EOFError|not open|OSError"):
        links.asked(network.host, ask)
