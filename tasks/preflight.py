"""Whether a target may be deployed to: found out before anything changes."""

from configs import Target
from configs.findings import Finding
from facts.firewall import DEFAULTS
from facts.hardware import HardwareData
from facts.health import HealthData

# How far a clock may be off: TLS and the signatures of apt's lists have little more patience.
CLOCK_WARNING_S, CLOCK_LIMIT_S = 30, 300


def check(
    target: Target,
    hardware: HardwareData | None,
    health: HealthData,
    asked: tuple[float, float] | None = None,
) -> list[Finding]:
    """All that keeps ``target`` from being deployed to, and what else its operator should know.

    ``asked``: between which times of this computer's clock ``health`` was asked for, in seconds
    since 1970; without it the target's clock is not judged.
    """
    if hardware is None:
        return [
            Finding(
                "hardware",
                "no answer to nproc, /proc/meminfo and df",
                "a Debian 13 system",
                "log in to the target and run these",
            )
        ]
    return [
        *_system(hardware),
        *_sizes(target, hardware, health),
        *_health(target, health),
        *(_clock(health["clock"], *asked) if asked and health["clock"] is not None else ()),
        *_apt_at_work(target, health),
        *_taken_ports(target, health),
        *_specs(target, hardware),
    ]


def is_supported(hardware: HardwareData) -> bool:
    """Whether a machine runs the operating system that everything here is made for."""
    return hardware["os_id"] == "debian" and hardware["os_version"] == "13"


def _system(hardware: HardwareData) -> list[Finding]:
    if is_supported(hardware):
        return []
    return [
        Finding(
            "operating system",
            hardware["os"],
            "Debian 13",
            "install Debian 13 on the server, or upgrade it",
        )
    ]


def _sizes(target: Target, hardware: HardwareData, health: HealthData) -> list[Finding]:
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
    for mount, free_mb in {"/": hardware["disk_free_mb"], **health["free_mb"]}.items():
        if free_mb < needed.free_disk_mb:
            findings.append(
                Finding(
                    "free disk",
                    f"{free_mb} MB on {mount}",
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
    if health["unfinished_packages"]:
        findings.append(
            Finding(
                "dpkg",
                "packages that are installed by half, by no deploy:"
                f" {', '.join(health['unfinished_packages'])}",
                "none",
                "run on the target: dpkg --configure -a; where that fails, its output says why, and"
                f" this takes them away: apt-get purge {' '.join(health['unfinished_packages'])}",
            )
        )
    if health["ipv6_closed"]:
        findings.append(
            Finding(
                "IPv6",
                f"IPV6=no in {DEFAULTS}, on a machine with {', '.join(health['ipv6_closed'])}",
                "a firewall that admits SSH and visitors over IPv6, too",
                f"write IPV6=yes into {DEFAULTS} on the target and run: ufw reload; or take its"
                " IPv6 addresses away",
            )
        )
    return findings


def _clock(clock: float, begun: float, ended: float) -> list[Finding]:
    """Not more than is sure: whenever between the two times the target told its own."""
    off_s = round(min(0, clock + 1 - begun) or max(0, clock - ended))
    if abs(off_s) <= CLOCK_WARNING_S:
        return []
    return [
        Finding(
            "clock",
            f"{abs(off_s)} s {'ahead of' if off_s > 0 else 'behind'} this computer's",
            f"at most {CLOCK_WARNING_S} s; from {CLOCK_LIMIT_S} s on TLS and apt's signatures fail",
            "let it follow the time servers: timedatectl set-ntp true; if this computer's clock is"
            " the wrong one (see: date -u), do it here",
            warning=abs(off_s) < CLOCK_LIMIT_S,
        )
    ]


def _apt_at_work(target: Target, health: HealthData) -> list[Finding]:
    limit_s = target.settings.apt.lock_timeout_s
    return [
        Finding(
            "apt",
            f"at work: {each.program} (pid {each.pid}), running for {each.for_s} s",
            "nobody else at work with packages",
            f"nothing: the deploy waits for it, up to {limit_s} s (apt.lock_timeout_s)",
            warning=True,
        )
        for each in health["apt"]
    ]


def _taken_ports(target: Target, health: HealthData) -> list[Finding]:
    """What was on the server before us and is in our way."""
    needed = {80: "nginx.service"}
    if target.settings.tls.mode != "off":
        needed[443] = "nginx.service"
    if target.role == "vpsmanager":
        needed[3306] = "mariadb.service"
    foreign = {
        each.port: each for each in health["listeners"] if each.unit != needed.get(each.port)
    }
    return [
        Finding(
            f"port {port}",
            f"{each.program} (pid {each.pid}, {each.unit or 'of no unit'}) listens there",
            f"nobody but {needed[port]}",
            (f"systemctl disable --now {each.unit}" if each.unit else f"end process {each.pid}")
            + ", or let it listen at another port",
        )
        for port, each in foreign.items()
        if port in needed
    ]


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
