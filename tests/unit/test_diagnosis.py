"""What a person is told about a connection that failed, from servers that really listen here."""

import errno
import shlex
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import paramiko
import pytest
from pyinfra.api import Config, Inventory, State
from pyinfra.api.exceptions import ConnectError

from configs import Target
from configs.findings import Finding
from state import reaching
from state.diagnosis import diagnose
from tests.unit.helpers import configuration

INVENTORY = """\
targets:
  observability: {{role: observability, address: {address}, ssh: {{user: me, port: {port}}}}}
  vpsmanager: {{role: vpsmanager, address: 10.9.0.21}}
"""


class _Refusing(paramiko.ServerInterface):
    """Takes nobody's key."""


def _serve(server: socket.socket, key: paramiko.PKey) -> None:
    connection, _ = server.accept()
    transport = paramiko.Transport(connection)
    transport.add_server_key(key)
    transport.start_server(server=_Refusing())
    transport.join(20)


def _say_nothing_of_ssh(server: socket.socket) -> None:
    connection, _ = server.accept()
    with connection:
        connection.sendall(b"220 mail.example.org ESMTP\r\n" * 200)


@contextmanager
def _listening(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, args=(server,), daemon=True)
        thread.start()
        yield server.getsockname()[1]
    thread.join(20)


def _target(folder: Path, port: int, address: str = "127.0.0.1") -> Target:
    text = INVENTORY.format(address=address, port=port)
    target = configuration(folder, text).targets["observability"]
    target.ssh.key_path.unlink()
    _ed25519(target.ssh.key_path)
    return target


def _ed25519(path: Path) -> str:
    """A new key; its fingerprint as ssh-keygen tells it."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    said = subprocess.run(["ssh-keygen", "-lf", path], capture_output=True, text=True, check=True)
    return said.stdout.split()[1]


def _found(target: Target) -> Finding:
    """What is found where pyinfra itself cannot connect."""
    state = State(Inventory(([reaching.of(target)], {})), Config())
    host = state.inventory.get_host(target.name)
    with pytest.raises(ConnectError) as failure:
        host.connect(show_errors=False, raise_exceptions=True)
    return diagnose(host, target, failure.value)


def _server_key(folder: Path) -> tuple[paramiko.PKey, str]:
    path = folder / "server_key"
    shown = _ed25519(path)
    return paramiko.Ed25519Key.from_private_key_file(str(path)), shown


def test_unknown_key_is_shown_and_its_command_makes_it_known(tmp_path: Path) -> None:
    key, shown = _server_key(tmp_path)
    with _listening(lambda server: _serve(server, key)) as port:
        target = _target(tmp_path, port)
        finding = _found(target)
    assert f"{shown} (ED25519)" in finding.found
    command = finding.remedy.splitlines()[-1]
    assert subprocess.run(command, shell=True).returncode == 0
    with _listening(lambda server: _serve(server, key)) as port:
        again = _found(_moved(target, port, tmp_path / "known_hosts_too"))
    assert again.check == "login"


def test_changed_key_is_shown_with_the_known_one_and_can_be_replaced(tmp_path: Path) -> None:
    key, shown = _server_key(tmp_path)
    known = _ed25519(tmp_path / "known")
    with _listening(lambda server: _serve(server, key)) as port:
        target = _target(tmp_path, port)
        public = (tmp_path / "known.pub").read_text()
        target.ssh.known_hosts_path.write_text(f"[127.0.0.1]:{port} {public}")
        finding = _found(target)
    assert finding.check == "host key"
    assert shown in finding.found and known in finding.expected
    assert "installed anew" in finding.remedy and "in between" in finding.remedy
    for command in finding.remedy.splitlines()[-2:]:
        assert subprocess.run(command, shell=True, capture_output=True).returncode == 0
    assert target.ssh.known_hosts_path.read_text().split()[:3] == [
        f"[127.0.0.1]:{port}",
        "ssh-ed25519",
        key.get_base64(),
    ]


def test_refused_login_tells_user_and_key(tmp_path: Path) -> None:
    key, _ = _server_key(tmp_path)
    with _listening(lambda server: _serve(server, key)) as port:
        target = _target(tmp_path, port)
        name = f"[127.0.0.1]:{port}"
        target.ssh.known_hosts_path.write_text(f"{name} {key.get_name()} {key.get_base64()}\n")
        finding = _found(target)
    listed = ["ssh-keygen", "-lf", str(target.ssh.key_path)]
    shown = subprocess.run(listed, capture_output=True, text=True).stdout.split()[1]
    assert finding.check == "login"
    assert "me was refused" in finding.found and shown in finding.found
    copying = f"ssh-copy-id -i {shlex.quote(str(target.ssh.key_path))}.pub -p {port} me@127.0.0.1"
    assert copying in finding.remedy


def test_port_that_is_closed(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    finding = _found(_target(tmp_path, port))
    assert f"port {port} of 127.0.0.1 is closed" in finding.found
    assert "targets.observability.ssh.port" in finding.remedy


def test_port_that_speaks_no_ssh(tmp_path: Path) -> None:
    with _listening(_say_nothing_of_ssh) as port:
        finding = _found(_target(tmp_path, port))
    assert "does not speak SSH" in finding.found


def test_name_that_nobody_knows(tmp_path: Path) -> None:
    finding = _found(_target(tmp_path, 22, "nobody.invalid"))
    assert finding.check == "address"
    assert "nobody.invalid" in finding.found
    assert "targets.observability.address" in finding.remedy


@pytest.mark.parametrize(
    ("met", "found", "remedy"),
    [
        (TimeoutError("timed out"), "no answer from port 22 of 10.9.0.11", "firewall"),
        (OSError(errno.ENETUNREACH, "x"), "no route to 10.9.0.11", "ip route get 10.9.0.11"),
        (
            paramiko.ssh_exception.NoValidConnectionsError(
                {("10.9.0.11", 22): OSError(errno.EHOSTUNREACH, "x")}
            ),
            "no route to",
            "ip route",
        ),
        (EOFError(), "does not speak SSH", "MaxStartups"),
        (
            paramiko.SSHException("no acceptable kex"),
            "no acceptable kex",
            "see what ssh itself says",
        ),
        (ValueError("something else"), "something else", "ssh -v -i"),
        (
            paramiko.BadAuthenticationType("no", ["password"]),
            "it takes no keys, only: password",
            "ssh-copy-id",
        ),
    ],
)
def test_each_other_failure_has_its_remedy(
    tmp_path: Path, met: Exception, found: str, remedy: str
) -> None:
    target = configuration(tmp_path, INVENTORY.format(address="10.9.0.11", port=22))
    error = ConnectError(f"what pyinfra says ({met})")
    error.__context__ = met
    finding = diagnose(_host(), target.targets["observability"], error)
    assert found in finding.found
    assert remedy in finding.remedy


def _host() -> Any:
    client = SimpleNamespace(get_transport=lambda: None, close=lambda: None)
    keys: Mapping[str, Any] = {}
    return SimpleNamespace(
        connector=SimpleNamespace(client=client), state=SimpleNamespace(private_keys=keys)
    )


def _moved(target: Target, port: int, known_hosts: Path) -> Target:
    """The same server on another port, known as it was: pyinfra reads a file but once."""
    known = target.ssh.known_hosts_path.read_text()
    known_hosts.write_text(known.replace(f"]:{target.ssh.port} ", f"]:{port} "))
    changes = {"port": port, "known_hosts": str(known_hosts)}
    return target.model_copy(update={"ssh": target.ssh.model_copy(update=changes)})
