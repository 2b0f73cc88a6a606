"""Whether a host is fit to be deployed to, beyond its hardware."""

from collections.abc import Iterable
from typing import NamedTuple, TypedDict

from pyinfra.api import FactBase

from facts.firewall import IPV6_ADDRESSES, SSH_PORTS, WITHOUT_IPV6
from facts.packages import BEFORE, BROUGHT
from facts.records import listing

# Where something may listen that a server was delivered with: a web server, MySQL, Redis.
COMMON_PORTS = (80, 443, 3306, 6379)


class Holding(NamedTuple):
    """A process that holds a lock; ``for_s``: for how long it has run, in seconds."""

    pid: int
    for_s: int
    program: str


class Listener(NamedTuple):
    """A process that takes connections at a TCP port; ``unit``: of systemd, which it belongs to."""

    port: int
    pid: int
    unit: str
    program: str


class HealthData(TypedDict):
    """``root``: commands run as root. ``resolves``: the package mirror's name has an address.

    ``mirror``: its name. ``broken_packages``: packages that dpkg cannot repair by configuring.
    ``unfinished_packages``: those that somebody else began to install, upgrade or remove.
    ``ssh_ports``: where SSH is served: as sshd is configured, where it or its socket listens, and
    where we came in. ``ipv6_closed``: the IPv6 addresses that ufw would close altogether, as it is
    told to leave IPv6 alone.
    ``records``: the deployments that it has copies of the records of. ``clock``: its time, in
    seconds since 1970; None if it did not say. ``apt``: who holds a lock of apt or dpkg.
    ``free_mb``: mount point → free MiB, of /var and /var/lib where they are not on the root disk.
    ``listeners``: who listens at the ports of ``COMMON_PORTS``.
    """

    root: bool
    mirror: str
    resolves: bool
    broken_packages: list[str]
    unfinished_packages: list[str]
    ssh_ports: list[int]
    ipv6_closed: list[str]
    records: list[str]
    clock: float | None
    apt: list[Holding]
    free_mb: dict[str, int]
    listeners: list[Listener]


# Who holds a lock of dpkg or of apt's lists. In
# /proc/locks a line with an arrow only waits; the time of a process's start is counted from boot.
_HOLDINGS = (
    "for f in /var/lib/dpkg/lock-frontend /var/lib/dpkg/lock /var/lib/apt/lists/lock; do "
    "i=$(stat -c %i $f 2>/dev/null) || continue; "
    'awk -v end=":$i" \'$2 != "->" && $5 > 0 && substr($6, length($6) - length(end) + 1) == end'
    " {print $5}' /proc/locks; done | sort -nu | while read -r p; do "
    "s=$(sed 's/.*) //' /proc/$p/stat 2>/dev/null | cut -d' ' -f20); "
    '[ -z "$s" ] || echo "apt=$p $(($(cut -d. -f1 /proc/uptime) - s / $(getconf CLK_TCK)))'
    ' $(cat /proc/$p/comm)"; done; '
)


# At all addresses or the loopback ones, where ours would listen, too.
_LISTENERS = (
    f"ss -Hltnp '( {' or '.join(f'sport = :{port}' for port in COMMON_PORTS)} )' 2>/dev/null"
    " | sed -nE 's/^\\S+ +\\S+ +\\S+ +(0\\.0\\.0\\.0|\\*|\\[::\\]|127\\.[0-9.]+|\\[::1\\]):([0-9]+)"
    ' .*users:\\(\\("([^"]*)",pid=([0-9]+),.*/\\2 \\4 \\3/p\' | sort -u'
    " | while read -r port p name; do "
    'echo "listen=$port $p $(sed -n "s/^0::.*\\///p" /proc/$p/cgroup 2>/dev/null) $name"; done; '
)


class Health(FactBase[HealthData]):
    """Ask for root, name resolution, dpkg's state, SSH's ports, closed IPv6 addresses, records,
    the clock, apt's locks, the disks of /var and common ports in one command.
    """

    # `R` as dpkg's third letter means "reinstallation required": configuring cannot repair it.
    # `H`, `U` and `F` as the second one: installed by half, unpacked, configured by half. Those of
    # a transaction of ours that was cut off are repaired by the next deploy. While dpkg works,
    # packages pass through these states, so it is not asked then; ours and everybody's lock tell.
    def command(self) -> str:
        return (
            'echo "uid=$(id -u)"; '
            "mirror=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list"
            " /etc/apt/sources.list.d/*.sources 2>/dev/null"
            " | sed -n 's#^[^\\#]*https*://\\([^/: ]*\\).*#\\1#p' | head -n 1); "
            'echo "mirror=$mirror"; '
            '[ -z "$mirror" ] || { timeout 10 getent ahosts "$mirror" >/dev/null'
            " && echo resolves=yes; }; "
            "i=$(stat -c %i /var/lib/dpkg/lock-frontend 2>/dev/null || echo none); "
            'grep -q ":$i " /proc/locks || { [ -e /run/chom/apt.lock ]'
            " && ! flock -n /run/chom/apt.lock true; } "
            "|| { s=$(dpkg-query -W -f='${db:Status-Abbrev}${Package}\\n'"
            " | sed -n 's/^..R/broken=/p; s/^.[HUF] /unfinished=/p'); "
            "printf '%s\\n' \"$s\" | grep '^broken='; "
            f"[ -e {BEFORE} ] || printf '%s\\n' \"$s\" | grep '^unfinished='"
            f" | grep -vxF \"$(sed 's/^/unfinished=/' {BROUGHT} 2>/dev/null)\"; }}; "
            f"{SSH_PORTS} | sed 's/^/ssh_port=/'; "
            f"! {WITHOUT_IPV6} || {IPV6_ADDRESSES} | sed 's/^/ipv6_closed=/'; "
            'echo "clock=$(date +%s)"; '
            f"{_HOLDINGS}{_LISTENERS}"
            'df -Pm /var /var/lib 2>/dev/null | awk \'NR > 1 {print "free=" $4 " " $6}\'; '
            f"{listing()} | sed 's/^/record=/'"
        )

    def process(self, output: list[str]) -> HealthData:
        lines = [line.split("=", 1) for line in output if "=" in line]
        found = dict(lines)
        return HealthData(
            root=found.get("uid") == "0",
            mirror=found.get("mirror", ""),
            resolves=found.get("resolves") == "yes",
            broken_packages=[value for key, value in lines if key == "broken"],
            unfinished_packages=[value for key, value in lines if key == "unfinished"],
            ssh_ports=[int(value) for key, value in lines if key == "ssh_port" and value.isdigit()],
            ipv6_closed=[value for key, value in lines if key == "ipv6_closed"],
            records=[value for key, value in lines if key == "record"],
            clock=float(found["clock"]) if found.get("clock", "").isdigit() else None,
            apt=[_holding(value) for key, value in lines if key == "apt"],
            listeners=[_listener(value) for key, value in lines if key == "listen"],
            free_mb=_free(value for key, value in lines if key == "free"),
        )


def _holding(line: str) -> Holding:
    pid, seconds, program = line.split(" ", 2)
    return Holding(int(pid), int(seconds), program)


def _listener(line: str) -> Listener:
    port, pid, unit, program = line.split(" ", 3)
    return Listener(int(port), int(pid), unit, program)


def _free(lines: Iterable[str]) -> dict[str, int]:
    pairs = (line.split(" ", 1) for line in lines)
    return {mount: int(free) for free, mount in pairs if mount != "/"}
