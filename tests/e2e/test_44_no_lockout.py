"""The firewall never locks the operator out, whatever way leads to a target's SSH."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from tests.e2e.command import Outcome
from tests.e2e.machines import answer, reachable
from tests.e2e.platform import Platform
from tests.e2e.project import DEPLOY, changed
from tests.lab.names import nft_table_name
from tests.lab.shell import LabError, run

MACHINE = "vpsmanager"
BASE = ("-y", "--limit", MACHINE, "--data", "only=base")
SSHD_PORT = 2222
TIMER = "chom-firewall-reopening"
# The target opens again within a minute.
LIMIT_S = 60


@pytest.fixture(scope="module")
def settled(platform: Platform) -> Platform:
    """The platform, deployed to; each test puts one machine's firewall in force again."""
    platform.settle()
    platform.unsettle()
    return platform


@pytest.fixture
def opened(settled: Platform) -> Iterator[Platform]:
    """A deployed platform, with the firewall of one machine out of force."""
    answer(settled.lab, MACHINE, "ufw --force disable")
    yield settled
    # A lab that is locked out must not fail the tests of other files.
    _await_ssh(settled)
    clean = f"systemctl stop {TIMER}.timer 2>/dev/null; ufw --force disable"
    answer(settled.lab, MACHINE, f"{clean}; ufw delete deny from {settled.lab.network.gateway}")


def test_a_socket_of_ssh_behind_a_forwarding_is_admitted(opened: Platform) -> None:
    """systemd listens at a port that sshd's configuration does not have."""
    with _forwarded(opened):
        outcome = opened.project.deploy(*BASE)
        assert outcome.code == 0, outcome
        assert "active" in answer(opened.lab, MACHINE, "ufw status").splitlines()[0]
        assert f"{SSHD_PORT}/tcp" in answer(opened.lab, MACHINE, "ufw status")
        assert _nothing_left(opened)
        second = opened.project.deploy(*BASE)
        assert second.code == 0 and changed(opened.project.record()) == {}, second


def test_a_daemon_that_only_our_connection_tells_of_is_admitted(opened: Platform) -> None:
    """Another program than sshd listens there, so its name says nothing."""
    lab = opened.lab
    answer(lab, MACHINE, "cp /usr/sbin/sshd /usr/local/sbin/other")
    daemon = f"systemd-run --unit=other --collect /usr/local/sbin/other -D -p {SSHD_PORT}"
    answer(lab, MACHINE, f"ln -sf /usr/lib/openssh /usr/local/lib/openssh; {daemon}")
    try:
        with _redirected(opened):
            outcome = opened.project.deploy(*BASE)
            assert outcome.code == 0, outcome
            assert f"{SSHD_PORT}/tcp" in answer(lab, MACHINE, "ufw status")
    finally:
        _await_ssh(opened)
        answer(lab, MACHINE, "systemctl stop other; rm /usr/local/sbin/other")


def test_a_rule_that_closes_our_port_fails_the_deploy_and_opens_it_again(opened: Platform) -> None:
    gateway = str(opened.lab.network.gateway)
    answer(opened.lab, MACHINE, f"ufw prepend deny from {gateway}")
    outcome = opened.project.deploy(*BASE)
    assert outcome.code == 1, outcome
    assert "the firewall lets no new SSH connection in" in outcome.text, outcome
    assert "the target has taken the firewall out of force again" in outcome.text, outcome
    assert reachable(opened.address(MACHINE), 22)
    assert answer(opened.lab, MACHINE, "ufw status") == "Status: inactive"
    assert _nothing_left(opened)
    error = opened.project.record().targets[MACHINE].error
    assert error is not None and "no new SSH connection" in error.message

    answer(opened.lab, MACHINE, f"ufw delete deny from {gateway}")
    _closes(opened.project.deploy(*BASE), opened)


def test_the_target_opens_again_by_itself_when_the_controller_is_killed(opened: Platform) -> None:
    gateway = str(opened.lab.network.gateway)
    address = opened.address(MACHINE)
    answer(opened.lab, MACHINE, f"ufw prepend deny from {gateway}")
    # Asked at Nginx: sshd shuts out who connects often and does not log in.
    assert reachable(address, 80, 1)
    command = opened.project.start(*DEPLOY, *BASE)
    deadline = time.monotonic() + 120
    while reachable(address, 80, 1) and command.running() and time.monotonic() < deadline:
        time.sleep(0.1)
    closed_at = time.monotonic()
    command.kill()
    assert not reachable(address, 22, 1), command.printed()

    while not reachable(address, 80, 1) and time.monotonic() < closed_at + LIMIT_S:
        time.sleep(0.2)
    assert time.monotonic() - closed_at < LIMIT_S
    assert answer(opened.lab, MACHINE, "ufw status") == "Status: inactive"
    assert _nothing_left(opened)
    answer(opened.lab, MACHINE, f"ufw delete deny from {gateway}")
    _closes(opened.project.deploy(*BASE), opened)


def test_a_timer_of_a_killed_deploy_does_not_open_the_next_ones_firewall(opened: Platform) -> None:
    lab = opened.lab
    _closes(opened.project.deploy(*BASE), opened)
    before = answer(lab, MACHINE, "ufw status verbose")
    # As a deploy leaves it that is killed between closing the firewall and its check.
    answer(lab, MACHINE, f"systemd-run -q --collect --unit={TIMER} --on-active=45s ufw disable")
    dry = opened.project.deploy("--dry", "--limit", MACHINE, "--data", "only=base")
    assert dry.code == 0 and "in force" in dry.text, dry
    assert not _nothing_left(opened)
    _closes(opened.project.deploy(*BASE), opened)
    assert answer(lab, MACHINE, "ufw status verbose") == before


def test_a_closed_firewall_is_not_closed_once_more(opened: Platform) -> None:
    _closes(opened.project.deploy(*BASE), opened)
    answer(opened.lab, MACHINE, "journalctl --rotate; journalctl --vacuum-time=1s")
    outcome = opened.project.deploy(*BASE)
    assert outcome.code == 0 and changed(opened.project.record()) == {}, outcome
    assert TIMER not in answer(opened.lab, MACHINE, "journalctl -o cat")


@pytest.fixture
def without_ipv6(opened: Platform) -> Iterator[Platform]:
    """A machine with an IPv6 address, whose ufw is told to leave IPv6 alone."""
    lab = opened.lab
    answer(lab, MACHINE, "ip -6 address add fd00:c40::21/64 dev eth0 nodad")
    answer(lab, MACHINE, "ufw delete allow 22/tcp")
    answer(lab, MACHINE, "sed -i s/^IPV6=.*/IPV6=no/ /etc/default/ufw; ufw allow 22/tcp")
    yield opened
    answer(lab, MACHINE, "ip -6 address delete fd00:c40::21/64 dev eth0")
    answer(lab, MACHINE, "sed -i s/^IPV6=.*/IPV6=yes/ /etc/default/ufw")


def test_a_firewall_that_would_drop_ipv6_is_refused(without_ipv6: Platform) -> None:
    lab, project = without_ipv6.lab, without_ipv6.project
    outcome = project.deploy(*BASE)
    assert outcome.code == 1, outcome
    assert "IPV6=no in /etc/default/ufw" in outcome.text and "fd00:c40::21" in outcome.text
    assert "write IPV6=yes into /etc/default/ufw" in outcome.text
    assert answer(lab, MACHINE, "ufw status") == "Status: inactive"

    # What the remedy leaves: SSH has been admitted by IPv4 alone.
    answer(lab, MACHINE, "sed -i s/^IPV6=.*/IPV6=yes/ /etc/default/ufw")
    assert "allow tcp 22 ::/0" not in answer(lab, MACHINE, "cat /etc/ufw/user6.rules")
    _closes(project.deploy(*BASE), without_ipv6)
    assert "22/tcp (v6)" in answer(lab, MACHINE, "ufw status")


def _closes(outcome: Outcome, platform: Platform) -> None:
    """See that a deploy has put the firewall in force, for good."""
    assert outcome.code == 0, outcome
    assert answer(platform.lab, MACHINE, "ufw status").startswith("Status: active")
    assert _nothing_left(platform)


def _nothing_left(platform: Platform) -> bool:
    """Whether the target has nothing of the timer any more, nor of what it starts."""
    units = f"systemctl list-units --all --no-legend '{TIMER}*'; ls /run/systemd/transient"
    return TIMER not in answer(platform.lab, MACHINE, units)


def _await_ssh(platform: Platform) -> None:
    deadline = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline:
        with suppress(LabError):
            answer(platform.lab, MACHINE, "true")
            return
        time.sleep(1)
    raise AssertionError(f"no SSH connection to {MACHINE} within {LIMIT_S} s")


@contextmanager
def _forwarded(platform: Platform) -> Iterator[None]:
    """systemd's socket at a port of its own, which a router forwards port 22 to."""
    lab, drop_in = platform.lab, "/etc/systemd/system/ssh.socket.d/port.conf"
    lines = f"[Socket]\nListenStream=\nListenStream={SSHD_PORT}\n"
    answer(lab, MACHINE, f"mkdir -p {drop_in.rpartition('/')[0]}; printf '{lines}' > {drop_in}")
    # Established connections are not touched: the switch is made by one.
    switch = "systemctl daemon-reload; systemctl stop ssh.service; systemctl start ssh.socket"
    answer(lab, MACHINE, switch)
    try:
        with _redirected(platform):
            try:
                yield
            finally:
                _await_ssh(platform)
                back = f"rm {drop_in}; systemctl daemon-reload; systemctl stop ssh.socket"
                answer(lab, MACHINE, f"{back} ssh.service; systemctl start ssh.service")
    finally:
        _await_ssh(platform)


@contextmanager
def _redirected(platform: Platform) -> Iterator[None]:
    """Port 22 of the machine leads to another one of it, by a rule on this computer."""
    table, address = f"{nft_table_name(platform.lab.name)}_ssh", platform.address(MACHINE)
    run(
        *("nft", "--file", "-"),
        input=f"table ip {table} {{\nchain output {{\ntype nat hook output priority -100;\n"
        f"ip daddr {address} tcp dport 22 dnat to {address}:{SSHD_PORT}\n}}\n}}\n",
    )
    try:
        yield
    finally:
        run("nft", "delete", "table", "ip", table)
