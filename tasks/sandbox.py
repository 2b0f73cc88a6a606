"""Sandbox of a service: systemd's confinement, the same for every unit except for its needs."""

from collections.abc import Sequence
from dataclasses import dataclass, field

# How long a checker may take, in seconds.
CHECK_LIMIT_S = 60


@dataclass(frozen=True)
class Sandbox:
    """Confinement of one unit; without arguments it scores 1.5 in ``systemd-analyze security``.

    + writes: paths the unit may write to, beside its own state and log directories
    + jit: whether it makes memory executable at run time
    + home: whether it needs to see /home
    + processes: whether it needs to see the processes of other users
    + capabilities: capabilities it keeps, such as ``CAP_NET_BIND_SERVICE``
    + system_calls: groups it needs beside ``@system-service`` without ``@privileged`` and
      ``@resources``, such as ``@setuid``
    + loopback_only: whether it may exchange packets with this machine alone
    + umask: octal mask of the files it creates; empty for systemd's default of 0022
    + extra: further lines of the unit
    """

    writes: Sequence[str] = ()
    jit: bool = False
    home: bool = False
    processes: bool = False
    capabilities: Sequence[str] = ()
    system_calls: Sequence[str] = ()
    loopback_only: bool = False
    umask: str = ""
    extra: Sequence[str] = field(default_factory=tuple)

    def lines(self) -> list[str]:
        """Lines of a unit's ``[Service]`` section (see ``man systemd.exec``).

        An empty assignment comes before each list: a drop-in replaces what the vendor's unit
        allows instead of adding to it.
        """
        lines = [
            "NoNewPrivileges=yes",
            "CapabilityBoundingSet=",
            "AmbientCapabilities=",
            "SystemCallFilter=",
            "SystemCallFilter=@system-service",
            "SystemCallFilter=~@privileged @resources",
            # A program that tries a forbidden call gets an error, as in a container.
            "SystemCallErrorNumber=EPERM",
            "SystemCallArchitectures=native",
            "ProtectSystem=strict",
            f"ProtectHome={'read-only' if self.home else 'yes'}",
            "PrivateTmp=yes",
            "PrivateDevices=yes",
            "PrivateMounts=yes",
            "ProtectKernelTunables=yes",
            "ProtectKernelModules=yes",
            "ProtectKernelLogs=yes",
            "ProtectControlGroups=yes",
            "ProtectClock=yes",
            "ProtectHostname=yes",
            "RemoveIPC=yes",
            "RestrictRealtime=yes",
            "RestrictSUIDSGID=yes",
            "RestrictNamespaces=yes",
            "LockPersonality=yes",
            "RestrictAddressFamilies=",
            "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK",
        ]
        if self.capabilities:
            lines.append("CapabilityBoundingSet=" + " ".join(self.capabilities))
        if self.system_calls:
            lines.append("SystemCallFilter=" + " ".join(self.system_calls))
        if not self.processes:
            # Not ProcSubset=pid as well: libsystemd reads the boot id in /proc/sys.
            lines.append("ProtectProc=invisible")
        if not self.jit:
            lines.append("MemoryDenyWriteExecute=yes")
        if self.loopback_only:
            lines += ["IPAddressDeny=any", "IPAddressAllow=localhost"]
        if self.umask:
            lines.append(f"UMask={self.umask}")
        if self.writes:
            lines.append("ReadWritePaths=" + " ".join(f"-{path}" for path in self.writes))
        return [*lines, *self.extra]


@dataclass(frozen=True)
class Checker:
    """A checker of a configuration, run as the unit that reads the configuration runs.

    A program may accept a configuration and still not start where memory, folders or system calls
    are denied to it.

    ``command``: a shell command that must succeed. ``sandbox``: that of the unit. ``user``: whom
    the unit runs as.
    """

    command: str
    sandbox: Sandbox
    user: str = "root"

    def properties(self) -> list[str]:
        """Properties of a transient unit, as ``systemd-run -p`` takes them."""
        own = [f"User={self.user}", "WorkingDirectory=/", f"RuntimeMaxSec={CHECK_LIMIT_S}"]
        return [*own, *self.sandbox.lines()]
