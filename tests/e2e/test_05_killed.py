"""Killed between writing a file and restarting its service: the next run restarts it, once."""

import time

from tests.e2e.machines import answer, redis, units
from tests.e2e.platform import Platform
from tests.e2e.project import DEPLOY, LIMIT_S, changed

UNIT, CONFIG = "laravel-redis-queue.service", "/etc/chom/redis/laravel-queue.conf"
# How much memory redis gets in each attempt, in MB.
ATTEMPTS = (100, 104, 108, 112, 116)


def test_next_run_restarts_what_a_killed_one_only_configured(deployed: Platform) -> None:
    project, lab = deployed.project, deployed.lab
    deployed.unsettle()
    for memory_mb in ATTEMPTS:
        before = units(lab, "vpsmanager")[UNIT]
        starts = _starts(deployed)
        if _kill_after_the_file_changed(deployed, memory_mb):
            break
    else:
        raise AssertionError(f"the race was lost {len(ATTEMPTS)} times")

    assert units(lab, "vpsmanager")[UNIT] == before
    assert f"maxmemory {memory_mb}mb" in answer(lab, "vpsmanager", f"cat {CONFIG}")
    assert _maxmemory_mb(deployed) != memory_mb
    left_open = project.record()
    assert left_open.status == "running"

    record = deployed.converge({"settings.redis.queue_memory_mb": memory_mb})
    # The limit of its memory, in a file of its own, may have been written or not.
    assert changed(record) in [{("vpsmanager", "redis"): count} for count in (1, 2)]
    assert units(lab, "vpsmanager")[UNIT].invocation != before.invocation
    assert _starts(deployed) == starts + 1
    assert _maxmemory_mb(deployed) == memory_mb
    [closed] = [each for each in project.records() if each.deployment_id == left_open.deployment_id]
    assert closed.status == "interrupted"
    assert closed.completed_at is not None
    assert closed.targets["vpsmanager"].components["redis"].status == "interrupted"


def _kill_after_the_file_changed(platform: Platform, memory_mb: int) -> bool:
    """Kill a deployment once it has written redis.conf; whether redis was not restarted yet."""
    lab = platform.lab
    old = units(lab, "vpsmanager")[UNIT]
    config = lab.rootfs("vpsmanager") / CONFIG[1:]
    content = config.read_bytes()
    command = platform.project.start(
        *DEPLOY, "-y", changes={"settings.redis.queue_memory_mb": memory_mb}
    )
    deadline = time.monotonic() + LIMIT_S
    while config.read_bytes() == content and command.running() and time.monotonic() < deadline:
        time.sleep(0.001)
    command.kill()
    assert config.read_bytes() != content, command.printed()
    return units(lab, "vpsmanager").get(UNIT) == old


def _starts(platform: Platform) -> int:
    journal = f"journalctl -u {UNIT} -o cat _PID=1 | grep -c ^Started"
    return int(answer(platform.lab, "vpsmanager", journal))


def _maxmemory_mb(platform: Platform) -> int:
    return int(redis(platform.lab, "vpsmanager", "config get maxmemory")) // 1024 // 1024
