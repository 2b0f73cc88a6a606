"""Redis: for the applications on this machine alone."""

from tasks import sizing
from tasks.component import Site, component
from tasks.resources import file, service


@component(needs=["base"], packages=["redis-server"])
def redis(site: Site) -> None:
    """Debian's package, whose unit is confined already; bounded by the machine's memory."""
    settings = site.settings.redis
    config = file(
        "/etc/redis/redis.conf",
        "redis.conf.j2",
        mode="640",
        owner="redis",
        group="redis",
        memory_mb=settings.memory_mb or sizing.redis_memory_mb(site.hardware),
    )
    service("redis-server", runs=[config], ready="redis-cli ping | grep -q PONG")
