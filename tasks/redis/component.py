"""Redis: for the applications on this machine alone."""

from configs.secrets import Needed
from tasks import sizing
from tasks.component import Site, component
from tasks.resources import secret, secret_file, service

PASSWORD = Needed("REDIS_PASSWORD", "what an application shows to Redis", "password")
CONFIG = "/etc/redis/redis.conf"
# The password goes in by standard input: the configuration has it quoted as the client wants it.
PING = f"{{ sed -n 's/^requirepass /AUTH /p' {CONFIG}; echo PING; }} | redis-cli"


@component(needs=["base"], packages=["redis-server"], secrets=[PASSWORD])
def redis(site: Site) -> None:
    """Debian's package, whose unit is confined already; bounded by the machine's memory."""
    settings = site.settings.redis
    config = secret_file(
        CONFIG,
        "redis.conf.j2",
        owner="redis",
        group="redis",
        password=secret(PASSWORD),
        memory_mb=settings.memory_mb or sizing.redis_memory_mb(site.hardware),
    )
    service("redis-server", runs=[config], ready=f"{PING} | grep -q PONG")
