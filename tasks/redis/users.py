"""Who may do what in a Redis: an administrator, the exporter, and the application it is for."""

from collections.abc import Mapping
from hashlib import sha256

from configs import Target
from configs.secret_names import of_target
from configs.secrets import Needed
from tasks.component import Site
from tasks.redis.instances import Instance
from tasks.resources import secret

ADMINISTRATOR = "chom"
# All targets shared it in earlier versions; Redis is told of another one by PREVIOUS_FILE.
SHARED_PASSWORD = Needed("REDIS_PASSWORD", "", "password", retired=True)
PASSWORD_FILE = "/etc/chom/redis/password"
# By it Redis is told of a new one.
PREVIOUS_FILE = f"{PASSWORD_FILE}.previous"
# The administrator's present password, and the one of before.
PASSWORD_FILES = (PASSWORD_FILE, PREVIOUS_FILE)
# A name that no application can have. It reads figures, and no keys.
EXPORTER = "chom-exporter"
FIGURES = (
    "-@all +ping +info +config|get +client|setname +latency|latest +latency|histogram"
    " +slowlog|get +slowlog|len"
)
EVERYTHING = "~* &* +@all"
# Of an application in its own instances: whatever keeps them as they were configured.
OWN = "~* &* +@all -@admin"


def administrator_password(target: Target) -> Needed:
    """Password of the administrator of a target's instances."""
    what = f"what Redis' administrator on {target.name} shows"
    return Needed(of_target("REDIS_PASSWORD", target.name), what, "password")


def exporter_password(target: Target) -> Needed:
    """Password of redis_exporter on a target."""
    what = f"what redis_exporter of {target.name} shows to Redis"
    return Needed(of_target("REDIS_EXPORTER_PASSWORD", target.name), what, "password")


def password(app: str) -> Needed:
    """What an application shows to its own."""
    return Needed(f"{app.upper()}_REDIS_PASSWORD", f"what {app} shows to Redis", "password")


def passwords(target: Target) -> list[Needed]:
    """Those of all users of a target."""
    ours = [administrator_password(target), exporter_password(target), SHARED_PASSWORD]
    return [*ours, *(password(app) for app in target.apps)]


def users(site: Site, instance: Instance) -> Mapping[str, tuple[str, str]]:
    """Each user's rules, and the hash of its password, by its name."""
    return {
        ADMINISTRATOR: (EVERYTHING, _hash(administrator_password(site.target))),
        EXPORTER: (FIGURES, _hash(exporter_password(site.target))),
        instance.app: (OWN, _hash(password(instance.app))),
    }


def as_administrator(instance: Instance, words: str, password_file: str = PASSWORD_FILE) -> str:
    """A shell command of root's that says something to Redis; no process shows the password."""
    return (
        f'REDISCLI_AUTH="$(cat {password_file})" redis-cli -s {instance.socket}'
        f" --user {ADMINISTRATOR} --no-auth-warning {words}"
    )


def load_users(instance: Instance) -> str:
    """A shell command by which an instance reads its users again.

    It may know the administrator's password of before alone, or (after two changes, of which the
    first was interrupted) neither: then it ends, and systemd starts it again.
    """
    tries = [
        f"{as_administrator(instance, 'acl load', file)} | grep -q OK"
        for file in (PASSWORD_FILE, PREVIOUS_FILE)
    ]
    return " || ".join([*tries, "kill -TERM $MAINPID"])


def _hash(needed: Needed) -> str:
    return sha256(secret(needed).reveal().encode()).hexdigest()
