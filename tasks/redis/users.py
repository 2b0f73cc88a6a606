"""Who may do what in Redis: an administrator, and each application with its own keys alone."""

from collections.abc import Mapping
from hashlib import sha256

from configs import Target
from configs.secrets import Needed
from tasks.component import Site
from tasks.redis.instances import HOST, Instance
from tasks.resources import secret

ADMINISTRATOR = "chom"
PASSWORD = Needed("REDIS_PASSWORD", "what Redis' administrator and its exporter show", "password")
PASSWORD_FILE = "/etc/chom/redis/password"
EVERYTHING = "~* &* +@all"


def password(app: str) -> Needed:
    """What an application shows to both."""
    return Needed(f"{app.upper()}_REDIS_PASSWORD", f"what {app} shows to Redis", "password")


def passwords(target: Target) -> list[Needed]:
    """Those of all users of a target."""
    return [PASSWORD, *(password(app) for app in target.apps)]


def users(site: Site, instance: Instance) -> Mapping[str, tuple[str, str]]:
    """Each user's rules, and the hash of its password, by its name."""
    own = {app: (_rules(app, instance), _hash(password(app))) for app in site.target.apps}
    return {ADMINISTRATOR: (EVERYTHING, _hash(PASSWORD)), **own}


def as_administrator(instance: Instance, *words: str) -> str:
    """A shell command of root's that says something to Redis; no process shows the password."""
    said = " ".join(words)
    return (
        f'REDISCLI_AUTH="$(cat {PASSWORD_FILE})" redis-cli -h {HOST} -p {instance.port}'
        f" --user {ADMINISTRATOR} --no-auth-warning {said}"
    )


def _rules(app: str, instance: Instance) -> str:
    return f"~{app}:* &{app}:* +@all -@admin -@dangerous +info{instance.also}"


def _hash(needed: Needed) -> str:
    return sha256(secret(needed).reveal().encode()).hexdigest()
