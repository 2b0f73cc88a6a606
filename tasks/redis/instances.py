"""The two Redis: one keeps what it is given, one may drop it; neither can take the other's room."""

from dataclasses import dataclass

HOST = "127.0.0.1"
# Files of both instances (redis.conf.j2), and what may come beside them.
LOGS = "/var/log/redis/*.log"
QUEUE_PORT, CACHE_PORT = 6379, 6380


@dataclass(frozen=True)
class Instance:
    """``unit``: of Debian's, without ``.service``. ``keeps``: whether data outlive a restart.

    ``also``: what applications may do there beside what is harmless everywhere.
    """

    name: str
    unit: str
    port: int
    config: str
    users: str
    run: str
    keeps: bool
    also: str = ""

    @property
    def url(self) -> str:
        """Address for redis_exporter and its password file."""
        return f"redis://{HOST}:{self.port}"


QUEUE = Instance(
    "queue",
    "redis-server",
    QUEUE_PORT,
    config="/etc/redis/redis.conf",
    users="/etc/redis/users.acl",
    run="redis",
    keeps=True,
)
CACHE = Instance(
    "cache",
    "redis-server@cache",
    CACHE_PORT,
    config="/etc/redis/redis-cache.conf",
    users="/etc/redis/users-cache.acl",
    run="redis-cache",
    keeps=False,
    also=" +flushdb",  # artisan cache:clear
)
INSTANCES = (QUEUE, CACHE)
