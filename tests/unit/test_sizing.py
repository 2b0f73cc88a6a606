"""Sizes by hardware: the seed's two machines, and the smallest and largest."""

import pytest

from tasks import sizing
from tests.unit.helpers import hardware


@pytest.mark.parametrize(
    ("memory_mb", "pool", "children", "redis"),
    [(900, 192, 5, 48), (2048, 512, 12, 128), (4096, 1024, 24, 256), (65536, 16384, 384, 4096)],
)
def test_sizes_follow_the_memory(memory_mb: int, pool: int, children: int, redis: int) -> None:
    machine = hardware(memory_mb=memory_mb)
    assert sizing.innodb_buffer_pool_mb(machine) == pool
    assert sizing.fpm_children(machine, 64) == children
    assert sizing.redis_memory_mb(machine) == redis


def test_a_tiny_machine_gets_the_least() -> None:
    machine = hardware(memory_mb=64, disk_gb=1)
    assert sizing.innodb_buffer_pool_mb(machine) == 64
    assert sizing.fpm_children(machine, 64) == 2
    assert sizing.redis_memory_mb(machine) == 32
    assert sizing.prometheus_retention_mb(machine) == 1024


@pytest.mark.parametrize(("disk_gb", "retention"), [(20, 8192), (80, 32768), (1000, 51200)])
def test_metrics_take_a_part_of_the_disk(disk_gb: int, retention: int) -> None:
    assert sizing.prometheus_retention_mb(hardware(disk_gb=disk_gb)) == retention


@pytest.mark.parametrize(("memory_mb", "limit"), [(512, 256), (2048, 512), (8192, 2048)])
def test_prometheus_takes_a_part_of_the_memory(memory_mb: int, limit: int) -> None:
    assert sizing.prometheus_memory_mb(hardware(memory_mb=memory_mb)) == limit


def test_a_few_megabytes_less_change_nothing() -> None:
    """A kernel update may leave a machine a little less memory."""
    before, after = hardware(memory_mb=3986), hardware(memory_mb=3971)
    assert sizing.innodb_buffer_pool_mb(before) == sizing.innodb_buffer_pool_mb(after)
    assert sizing.redis_memory_mb(before) == sizing.redis_memory_mb(after)


def test_nginx_has_a_worker_for_each_vcpu() -> None:
    assert sizing.nginx_workers(hardware(cpu=3)) == 3


@pytest.mark.parametrize(
    ("memory_mb", "loki", "cache", "ingestion", "shipper"),
    [
        (900, 128, 8, 2, 96),
        (2048, 256, 16, 4, 96),
        (4096, 512, 32, 8, 192),
        (65536, 8192, 256, 64, 256),
    ],
)
def test_logs_take_a_small_part_of_the_memory(
    memory_mb: int, loki: int, cache: int, ingestion: int, shipper: int
) -> None:
    machine = hardware(memory_mb=memory_mb)
    assert sizing.loki_memory_mb(machine) == loki
    assert sizing.loki_cache_mb(machine) == cache
    assert sizing.loki_ingestion_mb(machine) == ingestion
    assert sizing.shipper_memory_mb(machine) == shipper
