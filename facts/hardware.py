"""What machine a host is: the sizes that settings follow, and the facts that a record keeps."""

from datetime import UTC, datetime
from typing import TypedDict

from pyinfra.api import FactBase


class HardwareData(TypedDict):
    """One machine. Memory and swap in MB (MiB), disk in GB (GiB), ``detected_at`` in UTC.

    ``machine``: what tells it from all others, until it is installed anew; empty if nothing does.
    """

    cpu: int
    memory_mb: int
    swap_mb: int
    disk_gb: int
    disk_free_gb: int
    disk_free_mb: int
    architecture: str
    os: str
    os_id: str
    os_version: str
    kernel: str
    virtualisation: str
    machine: str
    detected_at: str


# systemd's own id is to be kept confidential; of its hash nothing follows.
_MACHINE = "[ ! -s /etc/machine-id ] || sha256sum < /etc/machine-id | cut -c1-16"


class Machine(FactBase[str]):
    """What tells a machine from all others, as in its hardware."""

    default = str

    def command(self) -> str:
        return _MACHINE

    def process(self, output: list[str]) -> str:
        return output[0]


class Hardware(FactBase[HardwareData | None]):
    """Detect a host's hardware and operating system in one command.

    ``pyinfra inventory.py fact facts.hardware.Hardware`` prints it. Sizes are read the way the
    operating system itself reports them: ``nproc``, ``/proc/meminfo`` and ``df`` of ``/``.
    Returns None where the host did not answer with what is needed.
    """

    # /etc/debian_version has the point release (13.2), os-release only the major one.
    def command(self) -> str:
        return (
            'echo "cpu=$(nproc)"; '
            "awk '/^(MemTotal|SwapTotal):/ {print $1 int($2/1024)}' /proc/meminfo"
            " | sed 's/^MemTotal:/memory_mb=/; s/^SwapTotal:/swap_mb=/'; "
            'df -Pm / | awk \'NR==2 {print "disk_mb=" $2; print "disk_free_mb=" $4}\'; '
            'echo "architecture=$(uname -m)"; echo "kernel=$(uname -r)"; '
            '. /etc/os-release; echo "os_id=$ID"; echo "os_version=$VERSION_ID"; '
            'echo "debian_version=$(cat /etc/debian_version 2>/dev/null)"; '
            'echo "os_name=$NAME"; '
            'echo "virtualisation=$(systemd-detect-virt 2>/dev/null || true)"; '
            f'echo "machine=$({_MACHINE})"'
        )

    def process(self, output: list[str]) -> HardwareData | None:
        return parse(output, datetime.now(UTC))


def parse(output: list[str], now: datetime) -> HardwareData | None:
    """Read the ``key=value`` lines of the fact's command; ``now`` becomes ``detected_at``.

    Returns None when a size is missing or is not a number.
    """
    found = dict(line.split("=", 1) for line in output if "=" in line)
    try:
        disk_mb, disk_free_mb = int(found["disk_mb"]), int(found["disk_free_mb"])
        os_id, os_version = found["os_id"], found.get("os_version", "")
        return HardwareData(
            cpu=int(found["cpu"]),
            memory_mb=int(found["memory_mb"]),
            swap_mb=int(found.get("swap_mb", 0)),
            disk_gb=round(disk_mb / 1024),
            disk_free_gb=disk_free_mb // 1024,
            disk_free_mb=disk_free_mb,
            architecture=found["architecture"],
            os=_os_name(os_id, os_version, found),
            os_id=os_id,
            os_version=os_version,
            kernel=found["kernel"],
            virtualisation=found.get("virtualisation") or "none",
            machine=found.get("machine", ""),
            detected_at=now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        )
    except (KeyError, ValueError):
        return None


def _os_name(os_id: str, os_version: str, found: dict[str, str]) -> str:
    if os_id == "debian":
        return f"Debian {found.get('debian_version') or os_version}"
    return f"{found.get('os_name') or os_id} {os_version}".strip()
