"""Preflight check of Redis: one that runs already and is somebody else's is left alone."""

from collections.abc import Container

from configs import Target
from configs.findings import Finding
from facts.health import HealthData

UNIT, PORT = "redis-server.service", 6379


def check_redis(
    target: Target, health: HealthData, owned: Container[tuple[str, str]]
) -> list[Finding]:
    """Refuse a target on which Debian's unit serves somebody: it would run no process any more.

    + owned: what is ours by the records, kind and name
    """
    if target.role != "vpsmanager" or ("services", UNIT) in owned:
        return []
    return [
        Finding(
            "Redis",
            f"{each.program} (pid {each.pid}, {each.unit}) serves at port {PORT}, and no deploy"
            " made it",
            "no Redis: each application gets instances of its own",
            f"move what is in it elsewhere, and: systemctl disable --now {UNIT}",
        )
        for each in health["listeners"]
        if (each.port, each.unit) == (PORT, UNIT)
    ]
