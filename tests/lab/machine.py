"""One machine: what it is, and how it is booted, waited for and stopped."""

from __future__ import annotations

import os
import re
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.lab import process
from tests.lab.cgroup import Cgroup
from tests.lab.disk import Disk
from tests.lab.process import Process
from tests.lab.shell import LabError, failure
from tests.lab.size import Size

BOOT_LIMIT = 120.0
POWEROFF_LIMIT = 20.0
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][0-9A-Z]|[\r\x00]")


@dataclass(frozen=True)
class Machine:
    """A server of the lab, as the inventory describes it."""

    name: str
    role: str
    address: str
    size: Size


def _one_path(path: Path) -> str:
    """A path for an option of ssh that takes several: in quotes, and with no sign that expands."""
    text = str(path).replace("\\", r"\\").replace('"', r"\"").replace("%", "%%")
    return f'"{text}"'


@dataclass(frozen=True)
class Login:
    """How to reach the lab's machines over SSH."""

    key: Path
    known_hosts: Path

    def command(self, address: str, user: str, *options: str) -> list[str]:
        """An `ssh` command line without a remote command; no setting of the caller's applies."""
        return [
            *("ssh", "-F", "none", "-i", str(self.key)),
            *("-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none"),
            *("-o", f"UserKnownHostsFile={_one_path(self.known_hosts)}"),
            *("-o", "GlobalKnownHostsFile=none"),
            *("-o", "StrictHostKeyChecking=yes", "-o", "PasswordAuthentication=no"),
            *("-o", "LogLevel=ERROR", *options, f"{user}@{address}"),
        ]

    def run(
        self,
        machine: Machine,
        command: str,
        *,
        user: str = "root",
        check: bool = True,
        input: str | None = None,
        timeout: float = 600,
    ) -> subprocess.CompletedProcess[str]:
        """Run a shell command on a machine.

        Args:
            machine: Where.
            command: What, for the user's shell.
            user: As whom: `root`, `deploy` or `admin`.
            check: Raise when it fails; ssh's own failure is exit code 255.
            input: Text for its standard input.
            timeout: Seconds that it may take.

        Raises:
            LabError: It took too long, or (with `check`) failed.
        """
        ssh = self.command(machine.address, user, "-o", "BatchMode=yes", "-o", "ConnectTimeout=5")
        try:
            done = subprocess.run(
                [*ssh, command], input=input or "", text=True, capture_output=True, timeout=timeout
            )
        except subprocess.TimeoutExpired as error:
            raise LabError(f"{machine.name}: {command!r} took over {timeout:g} s") from error
        if check and done.returncode != 0:
            raise LabError(f"{machine.name}: {failure([command], done)}")
        return done


def boot(machine: Machine, disk: Disk, namespace: Path, cgroup: Cgroup, log: Path) -> Process:
    """Start a machine from its mounted disk; returns at once, with systemd-nspawn's process."""
    log.unlink(missing_ok=True)
    return process.start(
        [
            *("taskset", "--cpu-list", cpu_list(machine.size.vcpus)),
            *("systemd-nspawn", "--quiet", "--boot", f"--directory={disk.rootfs}"),
            *(f"--machine={cgroup.path.parent.name}.{machine.name}", f"--hostname={machine.name}"),
            *("--register=no", "--keep-unit", "--resolv-conf=off", "--timezone=off"),
            *(f"--network-namespace-path={namespace}", "--capability=CAP_NET_ADMIN"),
            *("--link-journal=no", "--console=read-only"),
        ],
        cgroup=cgroup.create(),
        log=log,
        env={
            "PATH": os.defpath + ":/usr/sbin:/sbin",
            "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1",
            # The lab has its own lock; systemd-nspawn's stays behind in /run.
            "SYSTEMD_NSPAWN_LOCK": "0",
            # A real server may set its own network's sysctls; ufw does.
            "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "network",
        },
    )


def cpu_list(count: int) -> str:
    """The first `count` CPUs that this process may use, as `taskset` takes them."""
    return ",".join(map(str, sorted(os.sched_getaffinity(0))[:count]))


def wait_until_up(machine: Machine, booted: Process, login: Login, log: Path) -> str:
    """Wait until the machine answers SSH and has started everything; "running" or "degraded".

    Raises:
        LabError: It ended, or took longer than `BOOT_LIMIT` seconds; with its last console lines.
    """
    deadline = time.monotonic() + BOOT_LIMIT
    answer = "no answer"
    while time.monotonic() < deadline:
        if not booted.alive():
            raise LabError(f"{machine.name} went down while it booted{console(log)}")
        with suppress(LabError):
            asked = login.run(machine, "systemctl is-system-running", check=False, timeout=20)
            answer = asked.stdout.strip() or asked.stderr.strip()
        if answer in ("running", "degraded"):
            return answer
        time.sleep(0.2)
    raise LabError(f"{machine.name} is not up after {BOOT_LIMIT:g} s ({answer}){console(log)}")


def stop(booted: Process, cgroup: Cgroup, limit: float = POWEROFF_LIMIT) -> None:
    """Power a machine off, and pull its plug if that takes longer than `limit` seconds."""
    if limit:
        # systemd-nspawn passes this on to the machine's init as an orderly poweroff.
        booted.terminate(limit)
    cgroup.destroy()


def console(log: Path, lines: int = 15) -> str:
    """The last lines of a machine's console, ready to end an error message; may be empty."""
    try:
        text = _ESCAPES.sub("", log.read_text(errors="replace"))
    except OSError:
        return ""
    last = [line.rstrip() for line in text.splitlines() if line.strip()][-lines:]
    return "; its console said last:\n  " + "\n  ".join(last) if last else ""
