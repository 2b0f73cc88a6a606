"""Connections as OpenSSH would make them, to servers that really listen here and run commands."""

import os
import shlex
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import paramiko
import pytest
from paramiko.common import (
    AUTH_FAILED,
    AUTH_SUCCESSFUL,
    OPEN_FAILED_CONNECT_FAILED,
    OPEN_SUCCEEDED,
)
from pyinfra.api import Config, Host, Inventory, State, StringCommand
from pyinfra.api.exceptions import ConnectError

from configs import Target
from state import reaching, sudo
from state.connection import start_command
from state.diagnosis import diagnose
from state.private_keys import read_keys
from state.remote_shell import NoShell
from tests.unit.helpers import configuration

INVENTORY = """\
targets:
  observability:
    role: observability
    address: {address}
    ssh: {{user: me, sudo: false, port: {port}, config: {config}}}
  vpsmanager: {{role: vpsmanager, address: 10.9.0.21}}
"""
RELAY = """\
import os, socket, sys, threading
s = socket.create_connection((sys.argv[1], int(sys.argv[2])))
def up():
    while data := os.read(0, 65536):
        s.sendall(data)
    s.shutdown(socket.SHUT_WR)
threading.Thread(target=up, daemon=True).start()
while data := s.recv(65536):
    os.write(1, data)
"""


class Server:
    """Lets one key in, and runs commands by a login shell with start-up files that print."""

    def __init__(self, key: paramiko.PKey, max_sessions: int = 10, shell: str = "") -> None:
        self.key = key
        self.max_sessions = max_sessions
        # What the login shell does with a command, which is `$1`.
        self.shell = shell or 'echo noise; echo more >&2; sh -c "$1"; s=$?; echo bye; exit $s'
        self.accepted: str | None = None
        self.connections: list[paramiko.Transport] = []

    def for_connection(self) -> "Connection":
        """What serves the next connection."""
        return Connection(self)


class Connection(paramiko.ServerInterface):
    """One connection to it."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.sessions: set[int] = set()

    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        accepted = self.server.accepted
        is_ours = accepted is None or key.get_base64() == accepted
        return AUTH_SUCCESSFUL if is_ours else AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:
        if len(self.sessions) >= self.server.max_sessions:
            return OPEN_FAILED_CONNECT_FAILED
        self.sessions.add(chanid)
        return OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        threading.Thread(target=self._run, args=(channel, command), daemon=True).start()
        return True

    def _run(self, channel: paramiko.Channel, command: bytes) -> None:
        process = subprocess.Popen(
            ["sh", "-c", self.server.shell, "login", command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert process.stdin and process.stdout and process.stderr
        threading.Thread(target=_feed, args=(channel, process.stdin), daemon=True).start()
        channel.sendall(process.stdout.read())
        channel.sendall_stderr(process.stderr.read())
        channel.send_exit_status(process.wait())
        channel.close()
        self.sessions.discard(channel.get_id())


def _feed(channel: paramiko.Channel, stdin: IO[bytes]) -> None:
    with suppress(OSError), stdin:
        while data := channel.recv(65536):
            stdin.write(data)
            stdin.flush()


@contextmanager
def _serving(server: Server) -> Iterator[int]:
    def accept() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            transport = paramiko.Transport(connection)
            transport.add_server_key(server.key)
            server.connections.append(transport)
            transport.start_server(server=server.for_connection())

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=accept, daemon=True).start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)
    for transport in server.connections:
        transport.close()


@pytest.fixture
def server_key(tmp_path: Path) -> paramiko.PKey:
    path = tmp_path / "server_key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    return paramiko.Ed25519Key.from_private_key_file(str(path))


def _target(
    folder: Path, port: int, key: paramiko.PKey, config: str = "", address: str = "127.0.0.1"
) -> Target:
    path = folder / "ssh_config"
    path.write_text(config)
    text = INVENTORY.format(address=address, port=port, config=path)
    target = configuration(folder, text).targets["observability"]
    target.ssh.key_path.unlink()
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(target.ssh.key_path)]
    subprocess.run(command, check=True)
    line = f"[127.0.0.1]:{port} {key.get_name()} {key.get_base64()}\n"
    target.ssh.known_hosts_path.write_text(line)
    return target


def _host(target: Target) -> Host:
    host: Host = State(Inventory(([reaching.of(target)], {})), Config()).inventory.get_host(
        target.name
    )
    read_keys(host.state, [target])
    return host


@contextmanager
def _connected(target: Target) -> Iterator[Host]:
    host = _host(target)
    host.connect(show_errors=False, raise_exceptions=True)
    try:
        yield host
    finally:
        host.connector.client.close()  # type: ignore[attr-defined]


def _said(host: Host, command: str, **arguments: Any) -> tuple[bool, str, str]:
    succeeded, output = host.connector.run_shell_command(StringCommand(command), **arguments)
    return succeeded, output.stdout, output.stderr


def test_noise_of_start_up_files_is_no_answer(tmp_path: Path, server_key: paramiko.PKey) -> None:
    with (
        _serving(Server(server_key)) as port,
        _connected(_target(tmp_path, port, server_key)) as host,
    ):
        said = _said(host, "cat; echo error >&2; umask; echo $LC_ALL", _stdin="a line\n")
        assert said == (True, "a line\n0022\nC", "error")
        assert _said(host, "exit 3")[0] is False


def test_a_command_that_was_not_run_is_no_success(
    tmp_path: Path, server_key: paramiko.PKey
) -> None:
    server = Server(server_key, shell="echo something else")
    said = "the server did not run the command; it said: something else"
    with (
        _serving(server) as port,
        _connected(_target(tmp_path, port, server_key)) as host,
        pytest.raises(NoShell, match=said),
    ):
        _said(host, "true")


def test_an_exit_code_that_the_login_shell_hides_is_known(
    tmp_path: Path, server_key: paramiko.PKey
) -> None:
    server = Server(server_key, shell='sh -c "$1"; true')
    with _serving(server) as port, _connected(_target(tmp_path, port, server_key)) as host:
        assert _said(host, "echo a; exit 3") == (False, "a", "")


def test_one_session_for_each_connection_is_enough(
    tmp_path: Path, server_key: paramiko.PKey
) -> None:
    server = Server(server_key, max_sessions=1)
    with _serving(server) as port, _connected(_target(tmp_path, port, server_key)) as host:
        held = start_command(host, "read line; echo $line")
        assert _said(host, "echo beside") == (True, "beside", "")
        held.sendall(b"released\n")
        assert held.recv(100) == b"released\n"
        assert len(server.connections) == 2


def test_a_server_without_any_session_is_told_of(tmp_path: Path, server_key: paramiko.PKey) -> None:
    server = Server(server_key, max_sessions=0)
    with _serving(server) as port:
        target = _target(tmp_path, port, server_key)
        with _connected(target) as host, pytest.raises(sudo.Refused) as refusal:
            reaching.become_root(host, target, None)
    assert refusal.value.finding.found == "me logs in, and sshd opens no session"
    assert "sshd -T | grep -i maxsessions" in refusal.value.finding.remedy


def test_a_forced_command_is_told_of(tmp_path: Path, server_key: paramiko.PKey) -> None:
    server = Server(server_key, shell='echo "only backups here"')
    with _serving(server) as port:
        target = _target(tmp_path, port, server_key)
        with _connected(target) as host, pytest.raises(sudo.Refused) as refusal:
            reaching.become_root(host, target, None)
    finding = refusal.value.finding
    assert finding.found.endswith("does not run our command; it says: only backups here")
    assert "command=" in finding.remedy and "ForceCommand" in finding.remedy


def test_a_proxy_command_carries_the_connection(tmp_path: Path, server_key: paramiko.PKey) -> None:
    relay = tmp_path / "relay.py"
    relay.write_text(RELAY)
    command = shlex.join([sys.executable, str(relay)])
    config = f"Host other\n HostName 127.0.0.1\n ProxyCommand {command} %h %p\n"
    with _serving(Server(server_key)) as port:
        target = _target(tmp_path, port, server_key, config, "other")
        with _connected(target) as host:
            assert _said(host, "echo through") == (True, "through", "")


def test_a_proxy_that_fails_tells_why(tmp_path: Path, server_key: paramiko.PKey) -> None:
    config = "Host *\n ProxyCommand echo no such way >&2\n"
    target = _target(tmp_path, 22, server_key, config)
    host = _host(target)
    with pytest.raises(ConnectError) as failure:
        host.connect(show_errors=False, raise_exceptions=True)
    finding = diagnose(host, target, failure.value)
    assert finding.found.startswith("the way by ProxyCommand: ")
    assert finding.found.endswith("ended: no such way")
    assert f"ssh -v -F {tmp_path / 'ssh_config'} me@127.0.0.1" in finding.remedy


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    place = tmp_path / "agent.sock"
    process = subprocess.Popen(["ssh-agent", "-D", "-a", place], stdout=subprocess.DEVNULL)
    while not place.exists():
        assert process.poll() is None
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    yield place
    process.terminate()
    process.wait()


@pytest.mark.parametrize("by_config", [False, True])
def test_a_key_with_a_passphrase_is_used_by_an_agent_without_a_terminal(
    tmp_path: Path,
    server_key: paramiko.PKey,
    agent: Path,
    by_config: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.stdin", open(os.devnull))  # noqa: SIM115
    if not by_config:
        monkeypatch.setenv("SSH_AUTH_SOCK", str(agent))
    server = Server(server_key)
    with _serving(server) as port:
        config = f"Host *\n IdentityAgent {agent}\n" if by_config else ""
        target = _target(tmp_path, port, server_key, config)
        path = str(target.ssh.key_path)
        env = {**os.environ, "SSH_AUTH_SOCK": str(agent)}
        subprocess.run(["ssh-add", "-q", path], check=True, env=env)
        server.accepted = Path(f"{path}.pub").read_text().split()[1]
        subprocess.run(["ssh-keygen", "-q", "-p", "-N", "secret", "-f", path], check=True)
        with _connected(target) as host:
            assert _said(host, "echo in") == (True, "in", "")
