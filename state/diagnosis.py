"""Why a target could not be connected to, by what paramiko met, and what to do about it."""

import errno
import shlex
from collections.abc import Iterator
from socket import gaierror

from paramiko import AuthenticationException, BadAuthenticationType, BadHostKeyException, PKey
from paramiko.ssh_exception import NoValidConnectionsError, SSHException
from pyinfra.api import Host

from configs import Target
from configs.findings import Finding
from configs.keyfiles import as_typed

_OWN_KEYS = "for key in /etc/ssh/ssh_host_*_key.pub; do ssh-keygen -lf $key; done"


# paramiko's words for a server that says something else than SSH, or nothing.
_NO_SSH = ("banner", "protocol version", "Timeout")


def diagnose(host: Host, target: Target, error: Exception) -> Finding:
    """What a connection failed of. ``error``: pyinfra's, raised while it handled paramiko's.

    Ends what is left of the connection: of an unknown server, its key is taken from there.
    """
    met = error.__context__ or error
    try:
        if isinstance(met, BadHostKeyException):
            return _changed_key(target, met)
        if isinstance(met, SSHException) and "No host key for" in str(met):
            return _unknown_key(target, presented_key(host))
        if isinstance(met, AuthenticationException):
            return _refused_key(target, host.state.private_keys.get(str(target.ssh.key_path)), met)
        if isinstance(met, gaierror):
            return _unknown_name(target, met)
        if isinstance(met, SSHException | OSError | EOFError):
            return _no_ssh(target, met)
        return _other(target, error)
    finally:
        if client := getattr(host.connector, "client", None):
            client.close()


def presented_key(host: Host) -> PKey | None:
    """The key that the server has shown on a connection that we did not go on with."""
    transport = host.connector.client.get_transport()  # type: ignore[attr-defined]
    try:
        return transport.get_remote_server_key() if transport else None
    except SSHException:  # it has ended meanwhile
        return None


def fingerprint(key: PKey) -> str:
    """As ``ssh`` and ``ssh-keygen -l`` tell it."""
    kind = key.get_name().removeprefix("ssh-").partition("-")[0].upper()
    return f"{key.fingerprint} ({kind})"


def _unknown_key(target: Target, key: PKey | None) -> Finding:
    known = _known_hosts(target)
    if key is None:
        shown, add = "", f"ssh-keyscan -p {target.ssh.port} {target.address} >> {known}"
    else:
        shown, add = f", {fingerprint(key)}", _adding(target, key)
    return Finding(
        "host key",
        f"a server whose key is not known{shown}",
        f"a key that is in {target.ssh.known_hosts}",
        "log in to the server's console at your provider, and let it tell its own keys:\n"
        f"  {_OWN_KEYS}\n"
        f"if the one above is among them:\n  {add}",
    )


def _changed_key(target: Target, met: BadHostKeyException) -> Finding:
    name = shlex.quote(_name(target))
    return Finding(
        "host key",
        f"another key than the known one: {fingerprint(met.key)}",
        f"{fingerprint(met.expected_key)}, as {target.ssh.known_hosts} has it",
        "the server was installed anew, or its address is another server's now, or somebody is in"
        " between; nothing was sent to it. Let the server's console at your provider tell its own"
        f" keys:\n  {_OWN_KEYS}\n"
        "only if the new one is among them:\n"
        f"  ssh-keygen -f {_known_hosts(target)} -R {name}\n"
        f"  {_adding(target, met.key)}",
    )


def _refused_key(target: Target, key: PKey | None, met: AuthenticationException) -> Finding:
    ssh = target.ssh
    shown = f", {fingerprint(key)}" if key else ""
    only = ""
    if isinstance(met, BadAuthenticationType) and "publickey" not in met.allowed_types:
        only = f"; it takes no keys, only: {', '.join(met.allowed_types)}"
    return Finding(
        "login",
        f"{ssh.user} was refused with {ssh.key}{shown}{only}",
        f"a server that lets {ssh.user} log in with this key",
        f"ssh-copy-id -i {as_typed(ssh.key, ssh.key_path)}.pub -p {ssh.port}"
        f" {ssh.user}@{target.address}\n"
        "or, where no password is accepted, add the line of that file to"
        f" ~{ssh.user}/.ssh/authorized_keys on the server's console",
    )


def _unknown_name(target: Target, met: gaierror) -> Finding:
    why = str(met.strerror or met).lower()
    return Finding(
        "address",
        f"{target.address}, which this computer cannot look up: {why}",
        "a name that leads to the server, or its IP address",
        f"correct targets.{target.name}.address in the inventory; to try: getent hosts"
        f" {target.address}",
    )


def _no_ssh(target: Target, met: BaseException) -> Finding:
    port = target.ssh.port
    place = f"port {port} of {target.address}"
    expected = f"sshd on {place}"
    reasons = list(_errors(met))
    numbers = {each.errno for each in reasons if isinstance(each, OSError)}
    if errno.ECONNREFUSED in numbers:
        found = f"{place} is closed: the server refuses the connection"
        remedy = (
            "see on the server's console where sshd listens (ss -ltnp | grep sshd), and write"
            f" that port to targets.{target.name}.ssh.port; or start it: systemctl start ssh"
        )
    elif numbers & {errno.EHOSTUNREACH, errno.ENETUNREACH}:
        found = f"no route to {target.address}"
        remedy = "see whether the server runs, and this computer's network: ip route get "
        remedy += target.address
    elif any(isinstance(each, TimeoutError) for each in reasons):
        found = f"no answer from {place}"
        remedy = (
            "see at your provider whether the server runs, has this address, and whether a"
            f" firewall lets this computer reach port {port}"
        )
    elif isinstance(met, EOFError) or any(word in str(met) for word in _NO_SSH):
        found = f"{place} takes connections, but does not speak SSH"
        remedy = (
            f"write the port that sshd listens on to targets.{target.name}.ssh.port; if it is"
            " this one, it may shut out this computer for now (fail2ban, MaxStartups): wait"
        )
    else:
        return _other(target, met)
    return Finding("connection", found, expected, remedy)


def _other(target: Target, met: BaseException) -> Finding:
    ssh = target.ssh
    key = as_typed(ssh.key, ssh.key_path)
    return Finding(
        "connection",
        str(met) or type(met).__name__,
        f"sshd on port {ssh.port} of {target.address}",
        f"see what ssh itself says: ssh -v -i {key} -p {ssh.port} {ssh.user}@{target.address}",
    )


def _errors(met: BaseException) -> Iterator[BaseException]:
    """One for each of the target's addresses that was tried."""
    if isinstance(met, NoValidConnectionsError):
        yield from met.errors.values()
    else:
        yield met


def _adding(target: Target, key: PKey) -> str:
    line = f"{_name(target)} {key.get_name()} {key.get_base64()}"
    return f"echo {shlex.quote(line)} >> {_known_hosts(target)}"


def _name(target: Target) -> str:
    """What a known_hosts file calls the target."""
    port = target.ssh.port
    return target.address if port == 22 else f"[{target.address}]:{port}"


def _known_hosts(target: Target) -> str:
    return as_typed(target.ssh.known_hosts, target.ssh.known_hosts_path)
