"""How large things are made, by the detected hardware: each has a setting that overrides it.

Sizes are in MB (MiB) and rounded down to whole steps, so that a kernel update that leaves a few
MB less changes nothing.
"""

from facts.hardware import HardwareData


def _steps(size: float, step: int, least: int) -> int:
    return max(least, int(size) // step * step)


def innodb_buffer_pool_mb(hardware: HardwareData) -> int:
    """A quarter of the memory: MariaDB shares the machine with PHP and Redis."""
    return _steps(hardware["memory_mb"] / 4, 64, 64)


def fpm_children(hardware: HardwareData, child_memory_mb: int) -> int:
    """As many PHP processes as fit into three eighths of the memory, at least 2."""
    return max(2, int(hardware["memory_mb"] * 3 / 8) // child_memory_mb)


def opcache_mb(hardware: HardwareData, apps: int) -> int:
    """A thirty-second of the memory, shared by the applications, at least 64 MB for each.

    Only what is used of it takes memory.
    """
    return _steps(hardware["memory_mb"] / 32 / max(1, apps), 16, 64)


def fpm_memory_mb(hardware: HardwareData, children: int, child_memory_mb: int, opcache: int) -> int:
    """The most memory of an application's PHP: each child may take twice what is counted for it.

    Never more than nine tenths of the machine's.
    """
    return min(hardware["memory_mb"] * 9 // 10, 2 * children * child_memory_mb + opcache + 64)


def command_memory_mb(hardware: HardwareData) -> int:
    """The most memory of a command of an application, such as composer: three quarters."""
    return _steps(hardware["memory_mb"] * 3 / 4, 64, 256)


# What any Redis may have.
LEAST_REDIS_MB = 4


def redis_memory_mb(hardware: HardwareData) -> int:
    """A sixteenth of the memory for jobs and sessions, as much for the cache; at least 32 MB.

    The applications share it equally.
    """
    return _steps(hardware["memory_mb"] / 16, 16, 32)


def prometheus_retention_mb(hardware: HardwareData) -> int:
    """Two fifths of the disk, at most 50 GB: metrics must not be what fills it."""
    return min(51200, _steps(hardware["disk_gb"] * 1024 * 2 / 5, 512, 1024))


def prometheus_memory_mb(hardware: HardwareData) -> int:
    """A quarter of the memory, from where on Prometheus collects garbage more often; 256 at least.

    Left alone, Prometheus takes nine tenths of the memory for itself, beside Loki and Grafana.
    """
    return _steps(hardware["memory_mb"] / 4, 64, 256)


def nginx_workers(hardware: HardwareData) -> int:
    """One worker for each vCPU."""
    return hardware["cpu"]


def loki_memory_mb(hardware: HardwareData) -> int:
    """An eighth of the memory, from where on Loki tidies up before it takes more."""
    return _steps(hardware["memory_mb"] / 8, 32, 128)


def loki_cache_mb(hardware: HardwareData) -> int:
    """A hundred-and-twenty-eighth of the memory for each of Loki's caches, 8 to 256 MB."""
    return min(256, _steps(hardware["memory_mb"] / 128, 8, 8))


def loki_ingestion_mb(hardware: HardwareData) -> int:
    """How much Loki takes in each second: 4 MB for 2 GB of memory, at least 2 MB, at most 64."""
    return min(64, _steps(hardware["memory_mb"] / 480, 1, 2))


# Least limit of Alloy: 84 to 119 MB were measured in use, and a lower limit would have it collect
# garbage all the time.
ALLOY_MEMORY_MB = 160


def shipper_memory_mb(hardware: HardwareData) -> int:
    """A twentieth of the memory, from where on a log shipper tidies up; 96 to 256 MB."""
    return min(256, _steps(hardware["memory_mb"] / 20, 16, 96))
