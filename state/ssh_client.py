"""pyinfra's SSH client, replaced: it connects as OpenSSH would, and runs commands in a known shell.

pyinfra's own (3.10) fails on proxies, reads a known_hosts file up to the first line that paramiko
does not know, and hands commands to whatever the login shell is.
"""

import errno
import socket
import time
from contextlib import nullcontext
from copy import copy
from typing import Any

from paramiko import AuthenticationException, BadAuthenticationType, PKey, SSHClient
from paramiko.channel import ChannelFile, ChannelStderrFile, ChannelStdinFile
from paramiko.ssh_exception import ChannelException, NoValidConnectionsError, SSHException
from pyinfra.connectors import ssh

from configs.routes import Route
from state import proxy
from state.host_keys import algorithms, check
from state.known_hosts import known_keys
from state.remote_shell import FramedChannel, known_command
from state.transport import HOST_KEY_ALGORITHMS, SILENCE_S, PromptTransport, prompt_transport, watch

# What a server that has too many logins under way at the same time does not answer.
ATTEMPTS = 3
_PAUSE_S = 1.0
_FAMILIES = {"inet": socket.AF_INET, "inet6": socket.AF_INET6}


class ProxyFailed(SSHException):
    """What stands between this computer and the server did not let us through.

    + complaint: what it said
    """

    def __init__(self, route: Route, complaint: str) -> None:
        self.route = route
        self.complaint = complaint
        super().__init__(f"{route.way} ended: {complaint or 'without a word'}")


class NoSession(SSHException):
    """The server lets us log in, and opens no session even on a fresh connection."""


class Client(SSHClient):
    """A connection to one server, and more connections where one has no room for another command.

    pyinfra makes it, with its own names; `route`: the way there.
    """

    def __init__(self) -> None:
        super().__init__()
        # pyinfra reads the port of a message here.
        self._ssh_config: dict[str, Any] = {}
        self._transport: PromptTransport | None = None
        self._more: list[PromptTransport] = []
        self._carriers: list[proxy.Proxy] = []
        self._again: tuple[Route, str, PKey, float | None] | None = None

    def connect(  # type: ignore[override]
        self,
        hostname: str,
        *,
        username: str,
        pkey: PKey,
        timeout: float | None = None,
        _pyinfra_ssh_paramiko_connect_kwargs: dict[str, Any],
        **_others: Any,
    ) -> None:
        """Connect and log in. Raises SSHException, OSError and EOFError."""
        route: Route = _pyinfra_ssh_paramiko_connect_kwargs["route"]
        self._ssh_config = {"port": route.port}
        self._again = route, username, pkey, route.connect_timeout_s or timeout
        with proxy.turn(route.jumps) if route.jumps else nullcontext():
            self._transport = self._logged_in(*self._again)

    def open_session(self) -> Any:
        """Open a channel, on another connection where the server allows no more on this one.

        Raises SSHException, EOFError and OSError.
        """
        transport = self._transport
        if transport is None:
            raise SSHException("there is no connection")
        for each in (transport, *self._more):
            try:
                return each.open_session(timeout=SILENCE_S)
            except ChannelException:
                continue
            except (SSHException, EOFError):
                if each is transport:
                    raise
                self._more.remove(each)
        assert self._again is not None
        another = self._logged_in(*self._again)
        self._more.append(another)
        try:
            return another.open_session(timeout=SILENCE_S)
        except ChannelException as error:
            raise NoSession(f"the server opens no session: {error.text}") from None

    def start(self, program: str, get_pty: bool = False) -> FramedChannel:
        """Start a command in a known shell. Raises as `open_session`."""
        channel = self.open_session()
        if get_pty:
            channel.get_pty()
        return FramedChannel(channel, program)

    def exec_command(  # type: ignore[override]
        self, command: str, bufsize: int = -1, get_pty: bool = False
    ) -> tuple[ChannelStdinFile, ChannelFile, ChannelStderrFile]:
        """The same, by pyinfra's name."""
        channel = self.start(command, get_pty)
        return (
            channel.makefile_stdin("wb", bufsize),
            channel.makefile("r", bufsize),
            channel.makefile_stderr("r", bufsize),
        )

    def close(self) -> None:
        """Close all connections."""
        for transport in self._more:
            transport.close()
        self._more = []
        super().close()
        for carrier in self._carriers:
            carrier.close()
        self._carriers = []

    def _logged_in(
        self, route: Route, user: str, key: PKey, timeout_s: float | None
    ) -> PromptTransport:
        for left in reversed(range(ATTEMPTS)):
            begun = time.monotonic()
            try:
                return self._log_in(route, user, key, timeout_s)
            except (SSHException, EOFError) as error:
                if not left or not _is_shut_out(error, time.monotonic() - begun):
                    raise
                time.sleep(_PAUSE_S)
        raise AssertionError("the last attempt returns or raises")

    def _log_in(
        self, route: Route, user: str, key: PKey, timeout_s: float | None
    ) -> PromptTransport:
        if not route.has_proxy:
            return _handshake(_dialed(route, timeout_s), route, user, key, timeout_s)
        carrier = proxy.Proxy(route.proxy_command)
        try:
            transport = _handshake(carrier.socket, route, user, key, SILENCE_S)
        except (SSHException, EOFError, OSError) as error:
            complaint = carrier.complaint()
            if _has_said_nothing(error):
                raise ProxyFailed(route, complaint) from error
            raise
        except BaseException:
            carrier.close()
            raise
        self._carriers.append(carrier)
        watch(transport)
        return transport


def install() -> None:
    """Let pyinfra's SSH connector use this client, and a known shell.

    A sudo that asks for a password where none was expected is not answered: pyinfra would ask on
    the terminal, in the middle of a run, or end in a traceback where there is none.
    """
    setattr(ssh, "SSHClient", Client)  # noqa: B010
    setattr(ssh, "make_unix_command_for_host", _known_command)  # noqa: B010
    setattr(ssh, "execute_command_with_sudo_retry", _execute)  # noqa: B010


def _known_command(state: Any, host: Any, command: Any, **arguments: Any) -> Any:
    return known_command(host, command, **arguments)


def _execute(host: Any, arguments: Any, execute: Any) -> Any:
    return execute()


def _handshake(
    sock: socket.socket, route: Route, user: str, key: PKey, timeout_s: float | None
) -> PromptTransport:
    """Prove the server to us, and then us to the server; closes the socket where that fails."""
    fallback = "" if route.key_name == route.certificate_name else route.certificate_name
    known = known_keys(route.known_hosts, route.key_name, fallback)
    wanted = algorithms(known, HOST_KEY_ALGORITHMS)
    transport = prompt_transport(sock, host_key_algorithms=wanted)
    try:
        transport.start_client(timeout=timeout_s)
        if transport.host_key is None:
            raise SSHException("Timeout while the server negotiates")
        check(known, transport.host_key, route.certificate_name)
        _prove_user(transport, user, key)
    except BaseException:
        transport.close()
        sock.close()
        raise
    return transport


def _prove_user(transport: PromptTransport, user: str, key: PKey) -> None:
    """Prove who we are, by the key's certificate where it has one, or by the key alone."""
    if key.public_blob is not None:
        try:
            transport.auth_publickey(user, key)
        except AuthenticationException:
            key = copy(key)
            key.public_blob = None
    if not transport.is_authenticated() and (left := transport.auth_publickey(user, key)):
        raise BadAuthenticationType("the server wants more than a key", left)


def _dialed(route: Route, timeout_s: float | None) -> socket.socket:
    """Connect to the first of a name's addresses that answers. Raises OSError."""
    family = _FAMILIES.get(route.family, socket.AF_UNSPEC)
    source = (route.bind_address, 0) if route.bind_address else None
    errors: dict[Any, OSError] = {}
    for found in socket.getaddrinfo(route.hostname, route.port, family, socket.SOCK_STREAM):
        address = found[4]
        sock = socket.socket(*found[:3])
        try:
            sock.settimeout(timeout_s)
            if source:
                sock.bind(source)
            sock.connect(address)
        except OSError as error:
            sock.close()
            errors[address[:2]] = error
        else:
            return sock
    if not errors:
        raise OSError(errno.EADDRNOTAVAIL, f"{route.hostname} has no address")
    raise NoValidConnectionsError(errors)


def _is_shut_out(error: Exception, seconds: float) -> bool:
    """Whether sshd, here or on the way, closed a connection before anything else.

    It does so at random while many log in at once (MaxStartups).
    """
    if isinstance(error, ProxyFailed):
        return "kex_exchange_identification" in error.complaint
    return _has_said_nothing(error) and seconds < SILENCE_S / 3


def _has_said_nothing(error: BaseException) -> bool:
    """Whether a connection ended before the server had said that it speaks SSH."""
    return isinstance(error, EOFError) or "banner" in str(error)
