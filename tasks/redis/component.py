"""Redis: for the applications on this machine alone."""

from tasks import sizing
from tasks.component import Site, component, noted
from tasks.operations.redis import put_users
from tasks.redis.instances import CACHE, INSTANCES, QUEUE, Instance
from tasks.redis.users import (
    PASSWORD_FILE,
    PREVIOUS_FILE,
    administrator_password,
    as_administrator,
    load_users,
    passwords,
    users,
)
from tasks.resources import file, is_anothers, kept, previous_text, secret, secret_text, service


@component(
    needs=["base"],
    packages=["redis-server"],
    secrets=passwords,
    data=["/var/lib/redis", "/var/log/redis"],
)
def redis(site: Site) -> None:
    """Debian's units, which are confined already; bounded by the machine's memory.

    A password of before is admitted until the applications have the new one.
    """
    settings = site.settings.redis
    password = secret(administrator_password(site.target)).reveal()
    previous_text(PASSWORD_FILE, password, PREVIOUS_FILE, group="root")
    secret_text(PASSWORD_FILE, password)
    queue_mb = settings.queue_memory_mb or sizing.redis_memory_mb(site.hardware)
    cache_mb = settings.cache_memory_mb or sizing.redis_memory_mb(site.hardware)
    _config(QUEUE, queue_mb, "noeviction")
    _config(CACHE, cache_mb, settings.cache_eviction)
    for instance in INSTANCES:
        admit(site, instance, keep=True)


def admit(site: Site, instance: Instance, *, keep: bool) -> None:
    """Have an instance know its users. ``keep``: and what their passwords were before."""
    what = f"Users of Redis' {instance.name}"
    with noted(what, ("files", instance.users)) as label:
        done = put_users(
            name=label,
            path=instance.users,
            users=users(site, instance),
            keep=keep,
            original=is_anothers(instance.users),
        )
    kept(instance.users, done, what)
    service(
        instance.unit,
        runs=[instance.config],
        reads=[instance.users],
        reload=load_users(instance),
        ready=f"{as_administrator(instance, 'ping')} | grep -q PONG",
    )


def _config(instance: Instance, memory_mb: int, eviction: str) -> None:
    file(
        instance.config,
        "redis.conf.j2",
        mode="640",
        owner="redis",
        group="redis",
        instance=instance,
        memory_mb=memory_mb,
        eviction=eviction,
    )
