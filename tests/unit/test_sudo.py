"""Sudo passwords: found, asked for by name, and handed over where no one sees them."""

import subprocess
from pathlib import Path

import pytest

from state import sudo
from tests.unit.helpers import configuration, fake_state

INVENTORY = """\
targets:
  observability: {role: observability, address: 10.9.0.11, ssh: {user: a, sudo_password: true}}
  vpsmanager: {role: vpsmanager, address: 10.9.0.21, ssh: {user: b, sudo_password: true}}
"""


@pytest.fixture(autouse=True)
def no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", open("/dev/null"))  # noqa: SIM115


def test_a_targets_own_variable_wins(tmp_path: Path) -> None:
    targets = configuration(tmp_path, INVENTORY).targets.values()
    environ = {"CHOM_SUDO_PASSWORD": "all", "CHOM_SUDO_PASSWORD_VPSMANAGER": "own"}
    assert sudo.find_passwords(targets, environ) == {"observability": "all", "vpsmanager": "own"}


def test_all_missing_passwords_are_named_at_once(tmp_path: Path) -> None:
    targets = configuration(tmp_path, INVENTORY).targets.values()
    with pytest.raises(sudo.NoPassword) as caught:
        sudo.find_passwords(targets, {})
    lines = str(caught.value).splitlines()
    assert len(lines) == 2
    assert "set CHOM_SUDO_PASSWORD_OBSERVABILITY or CHOM_SUDO_PASSWORD" in lines[0]


def test_who_needs_no_password_is_not_asked(tmp_path: Path) -> None:
    assert sudo.find_passwords(configuration(tmp_path).targets.values(), {}) == {}


def test_the_password_travels_by_standard_input_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    state = fake_state(["a"], {"mktemp": ["/tmp/chom-askpass-abc"]})
    (host,) = state.inventory
    seen: dict[str, object] = {}
    plain = host.connector.run_shell_command

    def spy(command: object, **arguments: object) -> object:
        seen.update(arguments, command=str(command))
        return plain(command, **arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(host.connector, "run_shell_command", spy)
    sudo.hand_over(host, "it's $ecret")
    assert "$ecret" not in str(seen["command"])
    assert "/tmp/chom-askpass-abc" in host.connector_data.values()
    script = str(seen["_stdin"])
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True)
    assert done.stdout == "it's $ecret\n"
