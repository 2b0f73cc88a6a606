"""The two Redis of each application: one keeps what it is given, one may drop it."""

from dataclasses import dataclass
from hashlib import sha256

from configs import Target

FOLDER = "/etc/chom/redis"
DATA = "/var/lib/chom-redis"
SOCKETS = "/run/chom-redis"
# Characters in the name of a user of Linux.
_LONGEST = 32


@dataclass(frozen=True)
class Instance:
    """One Redis of ``app``. ``keeps``: whether data outlive a restart."""

    app: str
    name: str
    keeps: bool

    @property
    def full_name(self) -> str:
        """Name that no other one of its target has."""
        return f"{self.app}-{self.name}"

    @property
    def unit(self) -> str:
        """Its systemd unit, without ``.service``."""
        return f"{self.app}-redis-{self.name}"

    @property
    def config(self) -> str:
        return f"{FOLDER}/{self.full_name}.conf"

    @property
    def users(self) -> str:
        """File of those whom it admits."""
        return f"{FOLDER}/{self.full_name}.acl"

    @property
    def data(self) -> str:
        return f"{DATA}/{self.full_name}"

    @property
    def sockets(self) -> str:
        """Folder of its socket, which systemd makes for it."""
        return f"{SOCKETS}/{self.full_name}"

    @property
    def socket(self) -> str:
        """Where it listens, and nowhere else."""
        return f"{self.sockets}/redis.sock"

    @property
    def url(self) -> str:
        """Address for redis_exporter and its password file."""
        return f"unix://{self.socket}"


def queue(app: str) -> Instance:
    """For jobs and sessions."""
    return Instance(app, "queue", keeps=True)


def cache(app: str) -> Instance:
    """For what can be had again."""
    return Instance(app, "cache", keeps=False)


def instances(target: Target) -> list[Instance]:
    """All of a target."""
    return [each for app in target.apps for each in (queue(app), cache(app))]


def redis_user(app: str) -> str:
    """The system user of an application's Redis; who is in its group reaches their sockets."""
    name = f"_{app}-redis"
    if len(name) <= _LONGEST:
        return name
    return f"_{app[:16]}-{sha256(app.encode()).hexdigest()[:8]}-redis"


def reaches_redis(target: Target) -> list[str]:
    """Lines of a unit that reaches every Redis of a target."""
    return [f"SupplementaryGroups={redis_user(app)}" for app in target.apps]
