"""Every way in that is promised works, and every one that is not ends with what to do."""

import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.machines import answer
from tests.e2e.platform import Platform
from tests.e2e.project import ALONE, changed
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


def test_a_jump_host_leads_to_a_target(deployed: Platform, tmp_path: Path) -> None:
    """As ssh's configuration says, and the run tells where the address leads."""
    login = deployed.lab.login
    jump, target = deployed.address("observability"), deployed.address("vpsmanager")
    config = tmp_path / "ssh_config"
    config.write_text(
        f"Host {target}\n ProxyJump first,second\n"
        f"Host first second\n HostName {jump}\n User deploy\n IdentityFile {login.key}\n"
        f" IdentityAgent none\n UserKnownHostsFile {login.known_hosts}\n"
    )
    changes: dict[str, object] = {"targets.vpsmanager.ssh.config": str(config)}
    outcome = deployed.project.deploy("-y", changes=changes)
    assert outcome.code == 0, outcome
    assert changed(deployed.project.record()) == {}
    assert f"{target} leads through first,second" in outcome.text


def test_a_jump_host_whose_key_is_not_known(deployed: Platform, tmp_path: Path) -> None:
    config = tmp_path / "ssh_config"
    config.write_text(
        f"Host {deployed.address('vpsmanager')}\n ProxyJump jump\n"
        f"Host jump\n HostName {deployed.address('observability')}\n User deploy\n"
        f" IdentityFile {deployed.lab.login.key}\n UserKnownHostsFile {tmp_path / 'none'}\n"
    )
    changes: dict[str, object] = {"targets.vpsmanager.ssh.config": str(config)}
    text = _refuses_vpsmanager(deployed, changes, "make the host keys on the way known")
    assert "Host key verification failed" in text


@pytest.fixture
def hostile_shell(deployed: Platform) -> Iterator[Platform]:
    """A login whose start-up files print and change everything, one session, and noexec /tmp."""
    noise = (
        "echo noise; echo more >&2; umask 077; export LANG=de_DE.UTF-8 PATH=/nowhere:$PATH;"
        " trap 'echo bye' EXIT"
    )
    limit = "/etc/ssh/sshd_config.d/sessions.conf"
    for user in ("deploy", "admin"):
        path = f"~{user}/.bashrc"
        done = answer(
            deployed.lab,
            "vpsmanager",
            f"cp {path} {path}.kept && {{ echo {shlex.quote(noise)}; cat {path}.kept; }} > {path}",
        )
        assert done == ""
    answer(deployed.lab, "vpsmanager", f"echo MaxSessions 1 > {limit}; systemctl reload ssh")
    answer(deployed.lab, "vpsmanager", "mount -o remount,noexec /tmp")
    yield deployed
    answer(deployed.lab, "vpsmanager", "mount -o remount,exec /tmp")
    answer(deployed.lab, "vpsmanager", f"rm {limit}; systemctl reload ssh")
    for user in ("deploy", "admin"):
        answer(deployed.lab, "vpsmanager", f"mv ~{user}/.bashrc.kept ~{user}/.bashrc")


@pytest.mark.parametrize(("changes", "env"), [({}, {}), (ADMIN, PASSWORD)])
def test_start_up_files_sessions_and_mounts_do_not_matter(
    hostile_shell: Platform, changes: dict[str, object], env: dict[str, str]
) -> None:
    project = hostile_shell.project
    for more in ({}, ALONE):
        outcome = project.deploy("-y", changes=changes, env={**env, **more})
        assert outcome.code == 0, outcome
        assert changed(project.record()) == {}
    assert _askpass_files(hostile_shell, "vpsmanager") == ""


def test_a_forced_command_leaves_out_its_target_alone(deployed: Platform) -> None:
    keys = "~deploy/.ssh/authorized_keys"
    forced = 'command="echo only backups" '
    answer(deployed.lab, "vpsmanager", f"sed -i 's/^/{forced}/' {keys}")
    try:
        outcome = deployed.project.deploy("-y")
    finally:
        answer(deployed.lab, "vpsmanager", f"sed -i 's/^{forced}//' {keys}")
    assert outcome.code == 1, outcome
    assert "does not run our command; it says: only backups" in outcome.text
    targets = deployed.project.record().targets
    assert targets["observability"].error is None
    error = targets["vpsmanager"].error
    assert error is not None and error.stage == "preflight"


def test_a_host_certificate_makes_a_server_known(deployed: Platform, tmp_path: Path) -> None:
    machine, address = "vpsmanager", deployed.address("vpsmanager")
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "ca"))
    public = "/etc/ssh/ssh_host_ed25519_key.pub"
    (tmp_path / "host.pub").write_text(answer(deployed.lab, machine, f"cat {public}"))
    signing = ("-s", str(tmp_path / "ca"), "-I", "web", "-h", "-n", address)
    run("ssh-keygen", "-q", *signing, str(tmp_path / "host.pub"))
    certificate = (tmp_path / "host-cert.pub").read_text().strip()
    drop_in, path = "/etc/ssh/sshd_config.d/certificate.conf", "/etc/ssh/test-cert.pub"
    answer(
        deployed.lab,
        machine,
        f"echo '{certificate}' > {path}; echo HostCertificate {path} > {drop_in};"
        " systemctl reload ssh",
    )
    known_hosts = tmp_path / "known_hosts"
    authority = (tmp_path / "ca.pub").read_text()
    known_hosts.write_text(f"@cert-authority {address.rpartition('.')[0]}.* {authority}")
    changes: dict[str, object] = {"targets.vpsmanager.ssh.known_hosts": str(known_hosts)}
    try:
        outcome = deployed.project.deploy("-y", changes=changes)
    finally:
        answer(deployed.lab, machine, f"rm {drop_in} {path}; systemctl reload ssh")
    assert outcome.code == 0, outcome


@pytest.mark.parametrize("kind", ["rsa", "ecdsa-sha2-nistp256"])
def test_one_known_key_of_any_type_behind_a_wildcard_is_enough(
    deployed: Platform, tmp_path: Path, kind: str
) -> None:
    address = deployed.address("vpsmanager")
    lines = deployed.lab.login.known_hosts.read_text().splitlines()
    [key] = [each.split() for each in lines if each.startswith(f"{address} ") and kind in each]
    known_hosts = tmp_path / "known_hosts"
    known_hosts.write_text(f"{address.rpartition('.')[0]}.* {key[1]} {key[2]}\n")
    changes: dict[str, object] = {"targets.vpsmanager.ssh.known_hosts": str(known_hosts)}
    outcome = deployed.project.deploy("-y", changes=changes)
    assert outcome.code == 0, outcome


def _askpass_files(platform: Platform, machine: str) -> str:
    return answer(
        platform.lab, machine, "find /tmp /var/tmp /dev/shm /run/user /root /home -name '*askpass*'"
    )


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
