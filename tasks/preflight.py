"""Whether a target may be deployed to: found out before anything changes."""

from dataclasses import dataclass

from configs import Target
from facts.hardware import HardwareData
from facts.health import HealthData


@dataclass(frozen=True)
class Finding:
    """A check that did not pass, with its remedy; as a ``warning`` it stops nothing."""

    check: str
    found: str
    expected: str
    remedy: str
    warning: bool = False

    def __str__(self) -> str:
        return f"{self.check}: found {self.found}, expected {self.expected}"


def check(target: Target, hardware: HardwareData | None, health: HealthData) -> list[Finding]:
    """All that keeps ``target`` from being deployed to, and what else its operator should know."""
    if hardware is None:
        return [
            Finding(
                "hardware",
                "no answer to nproc, /proc/meminfo and df",
                "a Debian 13 system",
                "log in to the target and run these",
            )
        ]
    return [*_system(hardware), *_sizes(target, hardware), *_health(target, health),
            *_specs(target, hardware)]  # fmt: skip


def _system(hardware: HardwareData) -> list[Finding]:
    if hardware["os_id"] == "debian" and hardware["os_version"] == "13":
        return []
    return [
        Finding(
            "operating system",
            hardware["os"],
            "Debian 13",
            "install Debian 13 on the server, or upgrade it",
        )
    ]


def _sizes(target: Target, hardware: HardwareData) -> list[Finding]:
    needed = target.settings.preflight.of(target.role)
    findings = []
    if hardware["memory_mb"] < needed.memory_mb:
        findings.append(
            Finding(
                "memory",
                f"{hardware['memory_mb']} MB",
                f"at least {needed.memory_mb} MB",
                f"take a larger server, or lower preflight.{target.role}.memory_mb",
            )
        )
    if hardware["disk_free_mb"] < needed.free_disk_mb:
        findings.append(
            Finding(
                "free disk",
                f"{hardware['disk_free_mb']} MB on /",
                f"at least {needed.free_disk_mb} MB",
                f"free some, or lower preflight.{target.role}.free_disk_mb",
            )
        )
    return findings


def _health(target: Target, health: HealthData) -> list[Finding]:
    findings = []
    if not health["root"]:
        findings.append(
            Finding(
                "root",
                f"commands run as {target.ssh.user}",
                "root, or sudo",
                "set ssh.sudo to true and let the user use sudo",
            )
        )
    if not health["mirror"]:
        findings.append(
            Finding(
                "apt sources",
                "none",
                "a Debian mirror in /etc/apt/sources.list or sources.list.d",
                "add your provider's mirror",
            )
        )
    elif not health["resolves"]:
        findings.append(
            Finding(
                "name resolution",
                f"no address for {health['mirror']}",
                "the package mirror's address",
                "mend /etc/resolv.conf on the target",
            )
        )
    if health["broken_packages"]:
        broken = ", ".join(health["broken_packages"])
        findings.append(
            Finding(
                "dpkg",
                f"packages that must be reinstalled: {broken}",
                "none",
                f"run on the target: apt-get install --reinstall {broken.replace(',', '')}",
            )
        )
    return findings


def _specs(target: Target, hardware: HardwareData) -> list[Finding]:
    """Where the inventory says other sizes than were detected: worth a look, no more."""
    if target.specs is None:
        return []
    said = {
        "cpu": (target.specs.cpu, hardware["cpu"], 0),
        "memory_mb": (target.specs.memory_mb, hardware["memory_mb"], 0.1),
        "disk_gb": (target.specs.disk_gb, hardware["disk_gb"], 0.1),
    }
    return [
        Finding(
            f"specs.{name}",
            f"{found} detected",
            f"{stated} as the inventory says",
            "correct the inventory or leave specs out; what was detected is used",
            warning=True,
        )
        for name, (stated, found, tolerance) in said.items()
        if stated is not None and abs(stated - found) > tolerance * stated
    ]
