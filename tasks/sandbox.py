"""What a service may touch: systemd's confinement, the same for every unit but for its needs."""

from collections.abc import Sequence
from dataclasses import dataclass, field

# How long a checker may take, in seconds.
CHECK_LIMIT_S = 60


@dataclass(frozen=True)
class Sandbox:
    """Confinement of one unit.

    ``writes``: the paths it may write to beside its own state and log directories. ``jit``:
    whether it makes memory executable at run time. ``home``: whether it needs to see /home.
    ``extra``: further lines of the unit.
    """

    writes: Sequence[str] = ()
    jit: bool = False
    home: bool = False
    extra: Sequence[str] = field(default_factory=tuple)

    def lines(self) -> list[str]:
        """The lines of a unit's ``[Service]`` section (see ``man systemd.exec``)."""
        lines = [
            "NoNewPrivileges=yes",
            "ProtectSystem=strict",
            f"ProtectHome={'read-only' if self.home else 'yes'}",
            "PrivateTmp=yes",
            "PrivateDevices=yes",
            "ProtectKernelTunables=yes",
            "ProtectKernelModules=yes",
            "ProtectKernelLogs=yes",
            "ProtectControlGroups=yes",
            "ProtectClock=yes",
            "ProtectHostname=yes",
            "RestrictRealtime=yes",
            "RestrictSUIDSGID=yes",
            "RestrictNamespaces=yes",
            "LockPersonality=yes",
            "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK",
            "SystemCallArchitectures=native",
        ]
        if not self.jit:
            lines.append("MemoryDenyWriteExecute=yes")
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
