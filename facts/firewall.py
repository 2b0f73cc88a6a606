"""ufw: its rules, whether it is in force, and the ports of SSH that it must admit."""

import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypedDict
from urllib.parse import unquote

from pyinfra.api import FactBase

from facts.shell import sh

# What puts the firewall in force.
ENABLE = "ufw --force enable"
DEFAULTS = "/etc/default/ufw"
# The transient timer that takes the firewall out of force unless a new SSH connection succeeds.
REOPENING = "chom-firewall-reopening"

# Print the ports at which SSH must be admitted, one per line: those of sshd's configuration, those
# at which an sshd or a socket unit of SSH listens, and the local port of our own connection. The
# last one is the kernel's word on the socket of the nearest ancestor that has one (sshd), which
# neither sudo nor the user's environment can change. A socket at a loopback address is reached by
# this machine alone. Needs no ss where there is none yet: sshd's configuration is the rest.
SSH_PORTS = (
    "{ /usr/sbin/sshd -T 2>/dev/null | sed -n 's/^port //p'; "
    "systemctl list-sockets --no-legend --plain 2>/dev/null"
    " | sed -nE 's/^(\\*|\\[[^]]*\\]|[0-9.]+):([0-9]+) +[^ ]+ +.*(ssh|dropbear).*/\\1 \\2/p'"
    " | grep -v '^127\\.\\|^\\[::1\\]' | cut -d' ' -f2; "
    "s=$(ss -Htnp state listening state established 2>/dev/null); "
    "printf '%s\\n' \"$s\" | sed -nE 's/^LISTEN +[^ ]+ +[^ ]+ +([^ ]+):([0-9]+) "
    '.*\\("(sshd|dropbear)",.*/\\1 \\2/p\''
    " | grep -v '^127\\.\\|^\\[::1\\]' | cut -d' ' -f2; "
    'p=$$; while [ "${p:-0}" -gt 1 ]; do '
    "printf '%s\\n' \"$s\" | grep -F ',pid='$p, | sed -nE 's/^ESTAB +[^ ]+ +[^ ]+ +[^ ]+:([0-9]+) "
    ".*/\\1/p' | grep . && break; "
    "p=$(sed -n 's/^PPid:[^0-9]*//p' /proc/$p/status 2>/dev/null); done; "
    "} | sort -nu"
)
# Print the addresses by which others reach this machine over IPv6, one per line.
IPV6_ADDRESSES = (
    "ip -6 -o address show scope global 2>/dev/null"
    " | sed -nE 's/.* inet6 ([0-9a-f:]+)\\/.*/\\1/p' | sort -u"
)
# Succeed if ufw is told to leave IPv6 alone: it then drops all of it.
WITHOUT_IPV6 = f"grep -qsi '^IPV6=.\\?no' {DEFAULTS}"


class FirewallData(TypedDict):
    """State of ufw.

    ``enabled``: it is in force after a reboot. ``loaded``: the kernel has its rules. ``policy``:
    what it does with what no rule names, e.g. ``DROP``. ``ipv6``: it has rules for IPv6.
    ``reopening``: the timer that takes it out of force is running. ``rules``: ufw's own rule
    tuples, e.g. ``allow tcp 22 0.0.0.0/0 any 10.0.0.1 in``.
    """

    enabled: bool
    loaded: bool
    policy: str
    ipv6: bool
    reopening: bool
    rules: list[str]


class Firewall(FactBase[FirewallData]):
    """Read ufw's files and ask the kernel, in one command.

    The files are read instead of running ``ufw status``, which takes a third of a second.
    """

    def command(self) -> str:
        return (
            "grep -h '^### tuple ###' /etc/ufw/user.rules /etc/ufw/user6.rules 2>/dev/null; "
            "grep -h '^ENABLED=' /etc/ufw/ufw.conf 2>/dev/null; "
            f"grep -h '^DEFAULT_INPUT_POLICY=' {DEFAULTS} 2>/dev/null; "
            f"{WITHOUT_IPV6} || ! [ -e /proc/sys/net/ipv6 ] || echo IPV6=yes; "
            f"[ -e /run/systemd/transient/{REOPENING}.timer ] && echo REOPENING=yes; "
            "iptables -S ufw-user-input >/dev/null 2>&1 && echo LOADED=yes || echo LOADED=no"
        )

    def process(self, output: list[str]) -> FirewallData:
        prefix = "### tuple ### "
        values = dict(line.split("=", 1) for line in output if "=" in line)
        return FirewallData(
            enabled=values.get("ENABLED") == "yes",
            loaded=values.get("LOADED") == "yes",
            policy=values.get("DEFAULT_INPUT_POLICY", "").strip("\"'"),
            ipv6=values.get("IPV6") == "yes",
            reopening=values.get("REOPENING") == "yes",
            rules=[line.removeprefix(prefix) for line in output if line.startswith(prefix)],
        )


def allow_command(port: int, source: str | None) -> str:
    """The ``ufw`` command that admits TCP ``port``, from an address or network or from anywhere."""
    if source is None:
        return f"ufw allow {port}/tcp"
    return f"ufw allow from {source.removesuffix('/32')} to any port {port} proto tcp"


def rule_exists(command: str) -> str:
    """A shell command that succeeds if ufw has the rule that a command makes, or is in force."""
    if command == ENABLE:
        return "grep -sqx ENABLED=yes /etc/ufw/ufw.conf"
    rule = shlex.quote(f"### tuple ### {rule_tuple(command)}")
    return f"grep -sqxF {rule} /etc/ufw/user.rules /etc/ufw/user6.rules"


def rule_tuple(command: str) -> str:
    """The rule that ``allow_command`` makes, as ufw's own files hold it."""
    words = command.split()
    if "from" not in words:
        return f"allow tcp {words[2].removesuffix('/tcp')} 0.0.0.0/0 any 0.0.0.0/0 in"
    source, port = words[words.index("from") + 1], words[words.index("port") + 1]
    any_address = "::/0" if ":" in source else "0.0.0.0/0"
    return f"allow tcp {port} {any_address} any {source} in"


def rule_tuples(command: str, ipv6: bool) -> list[str]:
    """All rules that ``allow_command`` makes; ``ipv6``: ufw has rules for IPv6.

    One from anywhere is two rules then. The second is missing where the rule was made while ufw
    left IPv6 alone.
    """
    rule = rule_tuple(command)
    if "from" in command.split() or not ipv6:
        return [rule]
    return [rule, rule.replace("0.0.0.0/0", "::/0")]


def is_admitted(rule: str, rules: Iterable[str]) -> bool:
    """Whether one of ufw's rule tuples admits what ``rule``, a tuple itself, would admit.

    That is one from the same addresses: with a limit, a log, a comment or the name of an
    application profile, of several ports, or of every protocol.
    """
    _, _, port, *_, source, _ = rule.split()
    return any(
        each.verb in ("allow", "limit") and each.concerns(int(port), source)
        for each in map(_read, rules)
    )


def denied_by(rule: str, rules: Iterable[str]) -> list[str]:
    """The commands that delete the rules which deny what ``rule``, a tuple, would admit."""
    _, _, port, *_, source, _ = rule.split()
    return [
        each.deletion
        for each in map(_read, rules)
        if each.verb in ("deny", "reject") and each.concerns(int(port), source)
    ]


@dataclass(frozen=True)
class _Rule:
    """A rule of ufw's, of those that concern what comes in."""

    verb: str
    protocol: str
    ports: str
    source: str
    profile: str
    is_simple: bool

    def concerns(self, port: int, source: str) -> bool:
        """Whether it decides about TCP to a port at any address of the machine, from there."""
        return (
            self.is_simple
            and self.protocol in ("tcp", "any")
            and self.source == source
            and any(_holds(part, port) for part in self.ports.split(","))
        )

    @property
    def deletion(self) -> str:
        """The command that deletes it."""
        if self.profile:
            return sh("ufw delete {words}", words=[*self._words, "app", self.profile])
        protocol = "" if self.protocol == "any" else f" proto {self.protocol}"
        port = "" if self.ports == "any" else f" port {self.ports}"
        return sh("ufw delete {words}", words=self._words) + port + protocol

    @property
    def _words(self) -> list[str]:
        return [self.verb, "from", self.source, "to", "any"]


def _holds(part: str, port: int) -> bool:
    first, _, last = part.partition(":")
    last = last or first
    if not (first.isdecimal() and last.isdecimal()):
        return part == "any"
    return int(first) <= port <= int(last)


def _read(line: str) -> _Rule:
    """Read a rule tuple: action, protocol, port, destination, source port, source, …, direction.

    Before the direction there may be application profiles, and a comment after it.
    """
    action, protocol, ports, to, source_port, source, *rest = line.split()
    direction = next((each for each in rest if each.split("_")[0] in ("in", "out")), "")
    is_simple = (direction, source_port, to) in (
        ("in", "any", "0.0.0.0/0"),
        ("in", "any", "::/0"),
    )
    profile = "" if rest[:1] in ([direction], ["-"]) else unquote(rest[0])
    return _Rule(action.split("_")[0], protocol, ports, source, profile, is_simple)
