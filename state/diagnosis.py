"""Why a target could not be connected to, by what paramiko met, and what to do about it."""

import base64
import errno
import shlex
from collections.abc import Iterator
from hashlib import sha256
from socket import gaierror

from paramiko import AuthenticationException, BadAuthenticationType, PKey
from paramiko.ssh_exception import NoValidConnectionsError, SSHException
from pyinfra.api import Host

from configs import Target
from configs.findings import Finding
from configs.keyfiles import as_typed
from configs.routes import Route, route_of
from state.host_keys import ChangedHostKey, HostKeyRefused, RevokedHostKey, UnknownHostKey
from state.remote_shell import NoShell
from state.ssh_client import NoSession, ProxyFailed

_OWN_KEYS = "for key in /etc/ssh/ssh_host_*_key.pub; do ssh-keygen -lf $key; done"


# paramiko's words for a server that says something else than SSH, or nothing.
_NO_SSH = ("banner", "protocol version", "Timeout")


def diagnose(host: Host, target: Target, error: Exception) -> Finding:
    """What a connection failed of. ``error``: pyinfra's, raised while it handled paramiko's."""
    met = error.__context__ or error
    if isinstance(met, ChangedHostKey):
        return _changed_key(target, met)
    if isinstance(met, UnknownHostKey):
        return _unknown_key(target, met.key)
    if isinstance(met, HostKeyRefused):
        return _bad_key(target, met)
    if isinstance(met, ProxyFailed):
        return _no_way(target, met)
    if isinstance(met, AuthenticationException):
        return _refused_key(target, host.state.private_keys.get(str(target.ssh.key_path)), met)
    if isinstance(met, gaierror):
        return _unknown_name(target, met)
    if isinstance(met, SSHException | OSError | EOFError):
        return _no_ssh(target, met)
    return _other(target, error)


def diagnose_commands(target: Target, met: Exception) -> Finding:
    """Why a server that lets us log in runs no command."""
    user = target.ssh.user
    if isinstance(met, NoShell):
        return Finding(
            "shell",
            f"{user} logs in, and the server does not run our command; it says:"
            f" {met.said or 'nothing'}",
            "a login shell that runs the commands that it is given",
            "see on the server whether the key's line in"
            f" ~{user}/.ssh/authorized_keys begins with command=, whether sshd_config has a"
            f" ForceCommand for {user}, and whether its shell is one (getent passwd {user}); give"
            " the deploy a key without command=, or a user with a shell",
        )
    if isinstance(met, NoSession):
        return Finding(
            "shell",
            f"{user} logs in, and sshd opens no session",
            "one session for commands at least",
            "see on the server: sshd -T | grep -i maxsessions; 0 allows none, so set MaxSessions to"
            " 1 or more in /etc/ssh/sshd_config and run: systemctl reload ssh",
        )
    return Finding(
        "connection",
        f"the connection ended while the first command ran: {met or type(met).__name__}",
        "a connection that lasts",
        "run it again; if it happens again, see on the server: journalctl -u ssh",
    )


def fingerprint(key: PKey) -> str:
    """As ``ssh`` and ``ssh-keygen -l`` tell it."""
    kind = key.get_name().removeprefix("ssh-").partition("-")[0].upper()
    return f"{key.fingerprint} ({kind})"


def _unknown_key(target: Target, key: PKey) -> Finding:
    return Finding(
        "host key",
        f"a server whose key is not known, {fingerprint(key)}",
        f"a key that is in {_known_hosts(target)}",
        "log in to the server's console at your provider, and let it tell its own keys:\n"
        f"  {_OWN_KEYS}\n"
        f"if the one above is among them:\n  {_adding(target, key)}",
    )


def _changed_key(target: Target, met: ChangedHostKey) -> Finding:
    known = _known_hosts(target)
    return Finding(
        "host key",
        f"another key than the known one: {fingerprint(met.key)}",
        f"{_sha256(met.known)}, as {known} has it",
        "the server was installed anew, or its address is another server's now, or somebody is in"
        " between; nothing was sent to it. Let the server's console at your provider tell its own"
        f" keys:\n  {_OWN_KEYS}\n"
        "only if the new one is among them:\n"
        f"  ssh-keygen -f {known} -R {shlex.quote(_route(target).key_name)}\n"
        f"  {_adding(target, met.key)}",
    )


def _bad_key(target: Target, met: HostKeyRefused) -> Finding:
    known = _known_hosts(target)
    if isinstance(met, RevokedHostKey):
        remedy = (
            "do not connect to it: whoever marked the key thinks that others have it; give the"
            f" server new host keys at its console, or take the mark out of {known} if it is wrong"
        )
    else:
        remedy = (
            "let whoever signs your servers' keys sign this one's again, for this name; or log in"
            " to its console, compare the key, and make it known by itself:\n"
            f"  {_OWN_KEYS}\n  {_adding(target, met.key)}"
        )
    return Finding(
        "host key",
        f"{met}: {fingerprint(met.key)}",
        f"a key or a certificate that {known} lets hold",
        remedy,
    )


def _no_way(target: Target, met: ProxyFailed) -> Finding:
    route = met.route
    config = f" -F {shlex.quote(str(route.config))}" if route.config else ""
    return Finding(
        "connection",
        f"the way {route.way} ended: {met.complaint or 'without a word'}",
        f"a connection to port {route.port} of {route.hostname} that way",
        f"see what ssh itself says: ssh -v{config} {target.ssh.user}@{target.address}\n"
        "it must get there without asking anything: make the host keys on the way known, and give"
        " keys with a passphrase to an agent (ssh-add)",
    )


def _refused_key(target: Target, key: PKey | None, met: AuthenticationException) -> Finding:
    ssh, route = target.ssh, _route(target)
    shown = f", {fingerprint(key)}" if key else ""
    config = f"-F {shlex.quote(str(route.config))} " if route.config else ""
    only = ""
    if isinstance(met, BadAuthenticationType) and "publickey" not in met.allowed_types:
        only = f"; it takes no keys, only: {', '.join(met.allowed_types)}"
    return Finding(
        "login",
        f"{ssh.user} was refused with {ssh.key}{shown}{only}",
        f"a server that lets {ssh.user} log in with this key",
        f"ssh-copy-id {config}-i {as_typed(ssh.key, ssh.key_path)}.pub -p {route.port}"
        f" {ssh.user}@{target.address}\n"
        "or, where no password is accepted, add the line of that file to"
        f" ~{ssh.user}/.ssh/authorized_keys on the server's console",
    )


def _unknown_name(target: Target, met: gaierror) -> Finding:
    why = str(met.strerror or met).lower()
    return Finding(
        "address",
        f"{_route(target).hostname}, which this computer cannot look up: {why}",
        "a name that leads to the server, or its IP address",
        f"correct targets.{target.name}.address in the inventory; to try: getent hosts"
        f" {_route(target).hostname}",
    )


def _no_ssh(target: Target, met: BaseException) -> Finding:
    port = _route(target).port
    address = _route(target).hostname
    place = f"port {port} of {address}"
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
        found = f"no route to {address}"
        remedy = "see whether the server runs, and this computer's network: ip route get "
        remedy += address
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
    route = _route(target)
    return Finding(
        "connection",
        str(met) or type(met).__name__,
        f"sshd on port {route.port} of {route.hostname}",
        f"see what ssh itself says: ssh -v {_options(target)}",
    )


def _options(target: Target) -> str:
    """How ssh itself would be told to go there."""
    ssh, route = target.ssh, _route(target)
    config = f"-F {shlex.quote(str(route.config))} " if route.config else ""
    key = as_typed(ssh.key, ssh.key_path)
    return f"{config}-i {key} -p {route.port} {ssh.user}@{target.address}"


def _errors(met: BaseException) -> Iterator[BaseException]:
    """One for each of the target's addresses that was tried."""
    if isinstance(met, NoValidConnectionsError):
        yield from met.errors.values()
    else:
        yield met


def _adding(target: Target, key: PKey) -> str:
    line = f"{_route(target).key_name} {key.get_name()} {key.get_base64()}"
    return f"echo {shlex.quote(line)} >> {_known_hosts(target)}"


def _known_hosts(target: Target) -> str:
    """The file to add to, for a shell."""
    ssh = target.ssh
    if "known_hosts" in ssh.model_fields_set:
        return as_typed(ssh.known_hosts, ssh.known_hosts_path)
    return shlex.quote(str(_route(target).known_hosts[0]))


def _route(target: Target) -> Route:
    return route_of(target.address, target.ssh)


def _sha256(key: bytes) -> str:
    """The fingerprint of a key in SSH's binary form, as `ssh-keygen -l` tells it."""
    return f"SHA256:{base64.b64encode(sha256(key).digest()).decode().rstrip('=')}"
