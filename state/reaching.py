"""How a target is reached: what pyinfra is told of it, and connecting outside of a deploy."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import gevent
from paramiko.ssh_exception import SSHException
from pyinfra.api import Config, Host, Inventory, State
from pyinfra.api.exceptions import ConnectError

from configs import ConfigurationError, Target
from configs.routes import route_of
from state import ssh_client, sudo
from state.connection import has_connection, keep_exit_codes
from state.diagnosis import diagnose, diagnose_commands
from state.output_limit import limit_output
from state.overhearing import overhear
from state.private_keys import read_keys


def of(target: Target) -> tuple[str, dict[str, object]]:
    """One pyinfra host: the way there, the key file, and sudo as the inventory says."""
    ssh_client.install()
    ssh = target.ssh
    return target.name, {
        "ssh_hostname": target.address,
        "ssh_user": ssh.user,
        "ssh_key": str(ssh.key_path),
        "ssh_paramiko_connect_kwargs": {"route": route_of(target.address, ssh)},
        "_sudo": ssh.sudo,
        "_sudo_password": sudo.PLACEHOLDER if ssh.sudo_password else None,
    }


@dataclass(frozen=True)
class Unreachable:
    """A target that cannot be asked anything, and what to do about that."""

    target: str
    message: str
    remedy: str


def become_root(host: Host, target: Target, password: str | None) -> None:
    """Prepare a fresh connection: output is limited, exit codes are kept, progress is heard, and
    the sudo password is handed over.

    Raises Refused.
    """
    limit_output(host)
    keep_exit_codes(host)
    overhear(host)
    try:
        if password is not None:
            sudo.hand_over(host, password)
        elif target.ssh.sudo:
            sudo.check_without_password(host)
        elif has_connection(host):
            sudo.check_shell(host)
    except (SSHException, OSError, EOFError) as error:
        raise sudo.Refused(diagnose_commands(target, error)) from None


@contextmanager
def reached(
    targets: Iterable[Target], passwords: Mapping[str, str]
) -> Iterator[tuple[list[Host], list[Unreachable]]]:
    """Connect to all targets at once: those that could be, and those that could not."""
    targets = list(targets)
    state = State(Inventory(([of(each) for each in targets], {})), Config())
    hosts: list[Host] = []
    failed: list[Unreachable] = []
    for each in targets:
        try:
            read_keys(state, [each])
        except ConfigurationError as error:
            [problem] = error.problems
            failed.append(
                Unreachable(each.name, f"{each.ssh.key}: {problem.found}", problem.remedy)
            )
    without_key = {each.target for each in failed}
    connecting = [
        gevent.spawn(_connect, state, each, passwords)
        for each in targets
        if each.name not in without_key
    ]
    gevent.joinall(connecting, raise_error=True)
    for greenlet in connecting:
        found = greenlet.get()
        if isinstance(found, Unreachable):
            failed.append(found)
        else:
            hosts.append(found)
    try:
        yield hosts, failed
    finally:
        for host in hosts:
            host.disconnect()


def _connect(state: State, target: Target, passwords: Mapping[str, str]) -> Host | Unreachable:
    host: Host = state.inventory.get_host(target.name)
    try:
        host.connect(show_errors=False, raise_exceptions=True)
        become_root(host, target, passwords.get(target.name))
    except ConnectError as error:
        finding = diagnose(host, target, error)
        return Unreachable(target.name, str(finding), finding.remedy)
    except sudo.Refused as refusal:
        return Unreachable(target.name, str(refusal), refusal.finding.remedy)
    return host
