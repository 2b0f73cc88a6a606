"""What a person is told to do about a connection that failed."""

from pathlib import Path

import pytest

from state.connection import connect_remedy
from tests.unit.helpers import configuration

INVENTORY = """\
targets:
  observability: {role: observability, address: 10.9.0.11, ssh: {user: me, port: 2222}}
  vpsmanager: {role: vpsmanager, address: 10.9.0.21}
"""


@pytest.mark.parametrize(
    ("message", "remedy"),
    [
        (
            "SSH error (StrictPolicy: No host key for 10.9.0.11 found in known_hosts)",
            "ssh-keyscan -p 2222 10.9.0.11 >>",
        ),
        ("SSH host key error (Host key for 10.9.0.11 does not match.)", "ssh-keygen -f"),
        ("Authentication error (username=me, key=k)", "ssh-copy-id -i"),
        ("Could not resolve hostname (no such name)", "check the address 10.9.0.11"),
        ("Could not connect ([Errno 111] Connection refused)", "sshd listens on port 2222"),
    ],
)
def test_each_failure_has_its_remedy(tmp_path: Path, message: str, remedy: str) -> None:
    target = configuration(tmp_path, INVENTORY).targets["observability"]
    assert remedy in connect_remedy(target, message)
