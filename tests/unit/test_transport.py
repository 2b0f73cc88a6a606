"""The next channel is open before it is wanted, wherever the host allows that."""

import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest
from paramiko import Channel, ChannelException, Transport

from state.transport import PromptTransport, prompt_transport


class Open(Channel):
    """One of no connection."""

    def __init__(self) -> None:
        super().__init__(0)


class Server:
    """Opens channels, one round trip after each was asked for, up to ``most``."""

    def __init__(self) -> None:
        self.asked: list[float | None] = []
        self.opened: list[Open] = []
        self.most = 10
        self.round_trip_s = 0.0

    def open(self, transport: Any, *sizes: Any, timeout: float | None = None) -> Open:
        self.asked.append(timeout)
        time.sleep(self.round_trip_s)
        if len(self.opened) == self.most:
            raise ChannelException(2, "open failed")
        self.opened.append(Open())
        return self.opened[-1]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    found = Server()

    def open_session(transport: Any, *sizes: Any, timeout: float | None = None) -> Open:
        return found.open(transport, timeout=timeout)

    monkeypatch.setattr(Transport, "open_session", open_session)
    return found


@pytest.fixture
def transport() -> Iterator[PromptTransport]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        made = prompt_transport(socket.create_connection(listening.getsockname()))
        assert isinstance(made, PromptTransport)
        yield made
        made.close()


def settled(server: Server, asked: int) -> None:
    """Wait for what is opened ahead."""
    end = time.monotonic() + 60
    while len(server.asked) < asked and time.monotonic() < end:
        time.sleep(0.001)
    time.sleep(0.02)
    assert len(server.asked) == asked


def test_the_next_one_is_open_already(server: Server, transport: PromptTransport) -> None:
    first = transport.open_session()
    settled(server, 2)
    assert transport.open_session() is server.opened[1] is not first
    settled(server, 3)
    assert transport.open_session() is server.opened[2]


def test_nobody_gets_what_another_has(server: Server, transport: PromptTransport) -> None:
    server.round_trip_s = 0.01
    found = [transport.open_session() for _ in range(6)]
    assert len({id(each) for each in found}) == 6


def test_one_that_was_closed_meanwhile_is_not_handed_out(
    server: Server, transport: PromptTransport
) -> None:
    transport.open_session()
    settled(server, 2)
    server.opened[1].closed = True
    assert transport.open_session() is server.opened[2]


def test_a_host_that_allows_one_channel_is_not_asked_for_a_second(
    server: Server, transport: PromptTransport
) -> None:
    server.most = 1
    transport.open_session()
    settled(server, 2)
    server.opened.clear()
    transport.open_session()
    settled(server, 3)
