"""SSH transports that lose no time: each request is sent at once, and silence has an end."""

import socket
import threading
from typing import Any

from paramiko import Channel, Transport
from paramiko.ssh_exception import SSHException

SILENCE_S = 30


class PromptTransport(Transport):
    """Opens the next channel while one is in use: whoever wants it need not wait for the host.

    A host that allows no second channel (sshd's MaxSessions) is not asked for one again.
    """

    def __init__(self, sock: socket.socket, **options: Any) -> None:
        super().__init__(sock, **options)
        self._next: Channel | None = None
        self._opening = threading.Lock()
        self._opens_ahead = True

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


def prompt_transport(sock: socket.socket, **options: Any) -> Transport:
    """An SSH transport that sends each request at once; for paramiko's ``transport_factory``.

    Nagle's algorithm and delayed acknowledgements cost 41 ms for every remote command otherwise
    (43 ms against 2.5 ms, measured). A connection on which nothing arrives any more ends after
    ``SILENCE_S`` seconds, instead of keeping its lane waiting for ever.
    """
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, SILENCE_S * 1000)
    transport = PromptTransport(sock, **options)
    transport.set_keepalive(SILENCE_S // 3)
    return transport
