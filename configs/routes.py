"""The way to a target by SSH: what OpenSSH's own configuration makes of an address.

``ssh -G`` evaluates it, so that Include, Match, wildcards and defaults mean what they mean to ssh.
"""

import getpass
import os
import pwd
import re
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from configs.keyfiles import Trouble
from configs.schema import Ssh

USER_CONFIG = "~/.ssh/config"
TIMEOUT_S = 30


class RouteError(Exception):
    """ssh cannot tell the way to a target; ``trouble`` says why, and what to do about it."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(trouble.found)
        self.trouble = trouble


@dataclass(frozen=True)
class Route:
    """Where an address leads, and by what.

    + address: as the inventory has it
    + hostname, port: where the connection ends
    + jumps: hosts on the way, as `ProxyJump` lists them
    + command: a `ProxyCommand`, its tokens replaced
    + key_name: the name that known_hosts files have the server's key under
    + certificate_name: the name that a host certificate must be for
    + known_hosts: the files to look it up in
    + agent: the agent's socket; None for the one of the environment, "none" for no agent
    + certificates: certificates of the user's key, beside the one next to the key's file
    + config: the configuration file that the inventory names
    """

    address: str
    hostname: str
    port: int
    key_name: str
    certificate_name: str
    jumps: str = ""
    command: str = ""
    known_hosts: tuple[Path, ...] = ()
    agent: str | None = None
    certificates: tuple[Path, ...] = ()
    family: str = "any"
    bind_address: str | None = None
    connect_timeout_s: int | None = None
    config: Path | None = None

    def to_json(self) -> dict[str, Any]:
        """What pyinfra shows of it among a target's data."""
        return asdict(self)

    @property
    def has_proxy(self) -> bool:
        """Whether something stands between this computer and the server."""
        return bool(self.jumps or self.command)

    @property
    def way(self) -> str:
        """What stands in between, in words."""
        return f"through {self.jumps}" if self.jumps else f"by ProxyCommand: {self.command}"

    @property
    def destination(self) -> str:
        """Where the address really leads, to stand after that; empty for the address itself."""
        parts = []
        if self.hostname != self.address.lower():
            port = "" if self.port == 22 else f", port {self.port}"
            parts.append(f"to {self.hostname}{port}")
        if self.has_proxy:
            parts.append(self.way)
        return ", ".join(parts)

    @property
    def proxy_command(self) -> list[str]:
        """The command whose input and output are the connection, where one stands in between.

        For a jump it is what ssh itself runs. It asks nothing: many targets connect at once.
        """
        if self.command:
            return [os.environ.get("SHELL") or "/bin/sh", "-c", f"exec {self.command}"]
        *first, last = self.jumps.split(",")
        return [
            *("ssh", "-T", "-o", "BatchMode=yes", "-o", "ServerAliveInterval=10"),
            *(("-F", str(self.config)) if self.config else ()),
            *(("-J", ",".join(first)) if first else ()),
            *("-W", f"[{self.hostname}]:{self.port}", "--"),
            last if last.startswith("ssh://") else f"ssh://{last}",
        ]


def route_of(address: str, ssh: Ssh) -> Route:
    """Return the way to an address. Raises RouteError."""
    return _route(
        address,
        ssh.user,
        ssh.port if "port" in ssh.model_fields_set else None,
        ssh.known_hosts_path if "known_hosts" in ssh.model_fields_set else None,
        ssh.config_path,
    )


@cache
def _route(
    address: str, user: str, port: int | None, known_hosts: Path | None, config: Path | None
) -> Route:
    if shutil.which("ssh") is None:
        if config or Path(USER_CONFIG).expanduser().exists():
            raise RouteError(
                Trouble(
                    f"no program ssh, and a configuration of it: {config or USER_CONFIG}",
                    "OpenSSH's client, which reads it",
                    "install it: apt-get install openssh-client",
                )
            )
        options: Mapping[str, Sequence[str]] = {}
    else:
        options = _evaluated(address, user, port, config)
    return route_from(options, address, user, port, known_hosts, config)


def _evaluated(
    address: str, user: str, port: int | None, config: Path | None
) -> dict[str, list[str]]:
    command = ["ssh", "-G", "-T", "-l", user]
    command += ["-p", str(port)] if port else []
    flags = ["-F", str(config)] if config else []
    try:
        done = subprocess.run(
            [*command, *flags, "--", address],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TIMEOUT_S,
        )
        complaint = done.stderr.strip()
    except subprocess.TimeoutExpired:
        done, complaint = None, f"no answer within {TIMEOUT_S} s"
    if done is None or done.returncode != 0:
        lines = complaint.splitlines() or ["no reason"]
        raise RouteError(
            Trouble(
                f"ssh refuses its configuration: {lines[0].strip()}",
                "a configuration that ssh accepts",
                f"see what it says: {shlex.join(['ssh', '-G', *flags, address])}",
            )
        )
    found: dict[str, list[str]] = {}
    for line in done.stdout.splitlines():
        key, _, value = line.partition(" ")
        found.setdefault(key.lower(), []).append(value)
    return found


def route_from(
    options: Mapping[str, Sequence[str]],
    address: str,
    user: str,
    port: int | None = None,
    known_hosts: Path | None = None,
    config: Path | None = None,
) -> Route:
    """Return the way that evaluated options make. Raises RouteError."""

    def option(name: str) -> str:
        value = options.get(name, [""])[0].strip()
        return "" if value.lower() == "none" else value

    hostname = (option("hostname") or address).lower()
    real_port = port or int(option("port") or 22)
    alias = option("hostkeyalias")
    command = option("proxycommand")
    if command and option("proxyusefdpass") == "yes":
        raise RouteError(
            Trouble(
                f"ProxyUseFdpass yes for {address}",
                "a ProxyCommand that carries the connection itself",
                "leave out ProxyUseFdpass for this host, and let the command connect its own"
                " input and output, as nc does",
            )
        )
    agent = options.get("identityagent", [""])[0].strip()
    timeout = option("connecttimeout")
    return Route(
        address=address,
        hostname=hostname,
        port=real_port,
        key_name=alias or (hostname if real_port == 22 else f"[{hostname}]:{real_port}"),
        certificate_name=alias or hostname,
        jumps=option("proxyjump"),
        command=_expanded(command, address, hostname, real_port, user, alias),
        known_hosts=_known_hosts(options, known_hosts),
        agent=_agent(agent),
        certificates=tuple(
            Path(value.strip()).expanduser()
            for value in options.get("certificatefile", [])
            if value.strip().lower() != "none"
        ),
        family=option("addressfamily") or "any",
        bind_address=option("bindaddress") or None,
        connect_timeout_s=int(timeout) if timeout.isdigit() else None,
        config=config,
    )


def _known_hosts(options: Mapping[str, Sequence[str]], own: Path | None) -> tuple[Path, ...]:
    users = "" if own else options.get("userknownhostsfile", ["~/.ssh/known_hosts"])[0]
    of_all = options.get("globalknownhostsfile", ["/etc/ssh/ssh_known_hosts"])[0]
    paths = [own] if own else []
    paths += [
        Path(name).expanduser() for name in f"{users} {of_all}".split() if name.lower() != "none"
    ]
    return tuple(dict.fromkeys(path for each in paths for path in _in_home(each)))


def _in_home(path: Path) -> list[Path]:
    """A file of the user's, first below $HOME, and where ssh looks for it.

    ssh goes by the home folder of the account; a CI job in a container often has another $HOME,
    where its own steps have written the file.
    """
    home, account = Path.home(), Path(pwd.getpwuid(os.getuid()).pw_dir)
    if home == account or not path.is_relative_to(account):
        return [path]
    return [home / path.relative_to(account), path]


def _agent(written: str) -> str | None:
    if not written or written == "SSH_AUTH_SOCK":
        return None
    if written.lower() == "none":
        return "none"
    if match := re.fullmatch(r"\$\{?(\w+)\}?", written):
        return os.environ.get(match[1], "none")
    return str(Path(written.replace("%d", str(Path.home()))).expanduser())


def _expanded(command: str, address: str, hostname: str, port: int, user: str, alias: str) -> str:
    """Replace the tokens of a ProxyCommand, as ssh_config(5) lists them. Raises RouteError."""
    if not command:
        return ""
    tokens = {
        "%": "%",
        "d": str(Path.home()),
        "h": hostname,
        "i": str(os.getuid()),
        "k": alias or address,
        "l": os.uname().nodename,
        "L": os.uname().nodename.split(".")[0],
        "n": address,
        "p": str(port),
        "r": user,
        "u": getpass.getuser(),
    }

    def value(match: re.Match[str]) -> str:
        if match[1] in tokens:
            return tokens[match[1]]
        raise RouteError(
            Trouble(
                f"%{match[1]} in ProxyCommand {command}",
                f"one of the tokens {', '.join(f'%{token}' for token in sorted(tokens))}",
                f"write the command for {address} without it, or use ProxyJump",
            )
        )

    return re.sub(r"%(.?)", value, command)
