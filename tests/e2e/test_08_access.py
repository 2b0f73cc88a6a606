"""Every way in that is promised works, and every one that is not ends with what to do."""

from pathlib import Path

import pytest

from tests.e2e.machines import answer
from tests.e2e.platform import Platform
from tests.e2e.project import changed
from tests.e2e.watching import Watch, disguises
from tests.lab.base import ADMIN_PASSWORD
from tests.lab.shell import run

ADMIN = {"ssh.user": "admin", "ssh.sudo_password": True}
PASSWORD = {"CHOM_SUDO_PASSWORD": ADMIN_PASSWORD}


@pytest.mark.parametrize("user", ["root", "deploy"])
def test_user_without_a_password(deployed: Platform, user: str) -> None:
    outcome = deployed.project.deploy("-y", changes={"ssh.user": user})
    assert outcome.code == 0, outcome
    assert changed(deployed.project.record()) == {}


def test_sudo_password_works_and_never_shows(deployed: Platform) -> None:
    project = deployed.project
    with Watch({"the admin's password": ADMIN_PASSWORD}) as watch:
        outcome = project.deploy("-y", "-vvv", "--debug", changes=ADMIN, env=PASSWORD)
    assert outcome.code == 0, outcome
    assert changed(project.record()) == {}

    assert [command for command in watch.commands if "sudo" in command and "-A" in command]
    assert watch.leaks == set()
    shown = [
        disguise for disguise in disguises(ADMIN_PASSWORD) if disguise in outcome.text.encode()
    ]
    assert shown == []
    for path in project.folder.rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        assert not any(disguise in content for disguise in disguises(ADMIN_PASSWORD)), path
    for machine in deployed.lab.machines:
        assert _askpass_files(deployed, machine.name) == ""


def test_sudo_password_that_is_wrong(deployed: Platform) -> None:
    env = {**PASSWORD, "CHOM_SUDO_PASSWORD_VPSMANAGER": "not-the-password"}
    outcome = deployed.project.deploy("-y", changes=ADMIN, env=env)
    assert outcome.code == 1, outcome
    assert "not-the-password" not in outcome.text
    targets = deployed.project.record().targets
    assert targets["observability"].status == "completed"
    assert targets["vpsmanager"].status == "failed"
    assert "CHOM_SUDO_PASSWORD_VPSMANAGER" in outcome.text
    assert _askpass_files(deployed, "vpsmanager") == ""


def test_sudo_that_asks_unexpectedly(deployed: Platform) -> None:
    outcome = deployed.project.deploy("-y", changes={"targets.vpsmanager.ssh.user": "admin"})
    assert outcome.code == 1, outcome
    assert "sudo_password" in outcome.text and "CHOM_SUDO_PASSWORD" in outcome.text
    targets = deployed.project.record().targets
    assert targets["observability"].status == "completed"
    error = targets["vpsmanager"].error
    assert error is not None and error.stage == "preflight"
    assert targets["vpsmanager"].components == {}


def test_sudo_password_that_nobody_gave(deployed: Platform) -> None:
    known = len(deployed.project.records())
    outcome = deployed.project.deploy("-y", changes=ADMIN)
    assert outcome.code == 1, outcome
    for target in ("observability", "vpsmanager"):
        assert f"{target}: no sudo password for admin" in outcome.text
    assert "CHOM_SUDO_PASSWORD" in outcome.text
    assert "Connecting" not in outcome.text
    assert len(deployed.project.records()) == known


def test_unknown_host_key(deployed: Platform, tmp_path: Path) -> None:
    """What the server shows is told, and the command that is told makes it known."""
    known_hosts = tmp_path / "known_hosts"
    known_hosts.write_text("")
    changes: dict[str, object] = {"targets.vpsmanager.ssh.known_hosts": str(known_hosts)}
    line = _known_line(deployed, "vpsmanager")
    remedy = f"echo '{line}' >> {known_hosts}"
    text = _refuses_vpsmanager(deployed, changes, remedy)
    assert f"a server whose key is not known, {_fingerprint(line, tmp_path)} (ED25519)" in text

    run("sh", "-c", remedy)
    outcome = deployed.project.deploy("-y", changes=changes)
    assert outcome.code == 0, outcome


def test_changed_host_key(deployed: Platform, tmp_path: Path) -> None:
    address = deployed.address("vpsmanager")
    true = _known_line(deployed, "vpsmanager")
    other = _known_line(deployed, "observability").split(maxsplit=1)[1]
    known_hosts = tmp_path / "known_hosts"
    known_hosts.write_text(f"{address} {other}\n")
    text = _refuses_vpsmanager(
        deployed,
        {"targets.vpsmanager.ssh.known_hosts": str(known_hosts)},
        f"ssh-keygen -f {known_hosts} -R {address}",
    )
    assert f"another key than the known one: {_fingerprint(true, tmp_path)}" in text
    assert f"expected {_fingerprint(f'{address} {other}', tmp_path)}" in text
    assert f"echo '{true}' >> {known_hosts}" in text
    assert "installed anew" in text and "another server's now" in text and "in between" in text
    # pyinfra's own advice is about another file.
    assert "ssh-keygen -R" not in text


def test_key_that_the_server_does_not_accept(deployed: Platform, tmp_path: Path) -> None:
    key = _new_key(tmp_path)
    _refuses_vpsmanager(
        deployed,
        {"targets.vpsmanager.ssh.key": str(key)},
        f"ssh-copy-id -i {key}.pub -p 22 deploy@{deployed.address('vpsmanager')}",
    )


def test_key_that_no_server_accepts(deployed: Platform, tmp_path: Path) -> None:
    key = _new_key(tmp_path)
    outcome = deployed.project.deploy("-y", changes={"ssh.key": str(key)})
    assert outcome.code == 1, outcome
    for machine in deployed.lab.machines:
        assert f"ssh-copy-id -i {key}.pub -p 22 deploy@{machine.address}" in outcome.text


def _askpass_files(platform: Platform, machine: str) -> str:
    return answer(platform.lab, machine, "find /tmp /var/tmp -name '*askpass*'")


def _new_key(folder: Path) -> Path:
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / "key"))
    return folder / "key"


def _known_line(platform: Platform, machine: str) -> str:
    """What the lab's known_hosts has of a machine: its address, and its Ed25519 key."""
    lines = platform.lab.login.known_hosts.read_text().splitlines()
    beginning = f"{platform.address(machine)} ssh-ed25519 "
    [line] = [" ".join(line.split()[:3]) for line in lines if line.startswith(beginning)]
    return line


def _fingerprint(line: str, folder: Path) -> str:
    """As ssh-keygen tells it of such a line."""
    (folder / "line").write_text(f"{line}\n")
    return run("ssh-keygen", "-lf", str(folder / "line")).stdout.split()[1]


def _refuses_vpsmanager(platform: Platform, changes: dict[str, object], remedy: str) -> str:
    """vpsmanager is left out, with the remedy; the other target is deployed to all the same.

    Returns what was said.
    """
    outcome = platform.project.deploy("-y", changes=changes)
    assert outcome.code == 1, outcome
    assert remedy in outcome.text, outcome
    record = platform.project.record()
    assert record.status == "failed"
    assert record.targets["observability"].status == "completed"
    target = record.targets["vpsmanager"]
    assert target.status == "failed"
    assert target.error is not None and target.error.stage == "connect"
    assert remedy in (target.error.remedy or "")
    assert target.components == {}
    return outcome.text
