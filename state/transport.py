"""SSH transports that lose no time: each request is sent at once, and silence has an end."""

import socket
import threading
import time
from collections.abc import Sequence
from typing import Any

from paramiko import Channel, Transport
from paramiko.ssh_exception import SSHException

SILENCE_S = 30
HOST_KEY_ALGORITHMS: tuple[str, ...] = Transport._preferred_keys  # type: ignore[attr-defined]
_INTERNET = (socket.AF_INET, socket.AF_INET6)


class PromptTransport(Transport):
    """Opens the next channel while one is in use: whoever wants it need not wait for the host.

    A host that allows no second channel (sshd's MaxSessions) is not asked for one again.

    + host_key_algorithms: those to ask for, in this order; paramiko's own where there are none
    """

    def __init__(
        self, sock: socket.socket, *, host_key_algorithms: Sequence[str] = (), **options: Any
    ) -> None:
        self._host_key_algorithms = tuple(host_key_algorithms)
        super().__init__(sock, **options)
        self._next: Channel | None = None
        self._opening = threading.Lock()
        self._opens_ahead = True

    @property
    def preferred_keys(self) -> tuple[str, ...]:
        """The host key algorithms to ask for."""
        return self._host_key_algorithms or tuple(super().preferred_keys)

    def open_session(
        self,
        window_size: int | None = None,
        max_packet_size: int | None = None,
        timeout: float | None = None,
    ) -> Channel:
        """The one that is open already, or a new one, as paramiko's."""
        channel, self._next = self._next, None
        if channel is None or channel.closed:
            channel = super().open_session(window_size, max_packet_size, timeout)
        if self._opens_ahead and self._opening.acquire(blocking=False):
            threading.Thread(target=self._open_next, daemon=True).start()
        return channel

    def _open_next(self) -> None:
        try:
            self._next = super().open_session(timeout=SILENCE_S)
        except (SSHException, EOFError, OSError):
            self._opens_ahead = False
        finally:
            self._opening.release()


def prompt_transport(sock: socket.socket, **options: Any) -> PromptTransport:
    """An SSH transport that sends each request at once.

    Nagle's algorithm and delayed acknowledgements cost 41 ms for every remote command otherwise
    (43 ms against 2.5 ms, measured). A connection on which nothing arrives any more ends after
    ``SILENCE_S`` seconds, instead of keeping its lane waiting for ever.
    """
    is_internet = sock.family in _INTERNET
    if is_internet:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if is_internet and hasattr(socket, "TCP_USER_TIMEOUT"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, SILENCE_S * 1000)
    transport = PromptTransport(sock, **options)
    transport.set_keepalive(SILENCE_S // 3)
    return transport


def watch(transport: Transport, silence_s: float = SILENCE_S) -> None:
    """Close a transport whose server answers nothing for ``silence_s`` seconds.

    Through a proxy the kernel knows nothing of the server's end of the connection.
    """
    threading.Thread(target=_watch, args=(transport, silence_s), daemon=True).start()


def _watch(transport: Transport, silence_s: float) -> None:
    while transport.is_active():
        asking = threading.Thread(
            target=transport.global_request, args=("keepalive@openssh.com",), daemon=True
        )
        asking.start()
        asking.join(silence_s)
        if asking.is_alive():
            transport.close()
            return
        time.sleep(silence_s / 3)
