"""Redis: instances of its own for each application, which no other one reaches."""

from tasks import sizing
from tasks.component import Site, component, noted
from tasks.operations import shared_redis
from tasks.operations.redis import put_users
from tasks.redis.instances import DATA, Instance, instances, queue, redis_user
from tasks.redis.users import (
    PASSWORD_FILE,
    PASSWORD_FILES,
    PREVIOUS_FILE,
    administrator_password,
    as_administrator,
    load_users,
    passwords,
    users,
)
from tasks.resources import (
    directory,
    file,
    is_anothers,
    kept,
    member,
    previous_text,
    secret,
    secret_text,
    service,
    user,
)
from tasks.sandbox import Sandbox


@component(
    needs=["base", "laravel"],
    packages=["redis-server"],
    secrets=passwords,
    # The first two are Debian's, where all applications had theirs in earlier versions.
    data=lambda site: [
        *("/var/lib/redis", "/var/log/redis"),
        *(instance.data for instance in instances(site.target)),
    ],
)
def redis(site: Site) -> None:
    """Each as a user of its own, by a socket; bounded by the machine's memory.

    A password of before is admitted until the applications have the new one.
    """
    password = secret(administrator_password(site.target)).reveal()
    previous_text(PASSWORD_FILE, password, PREVIOUS_FILE, group="root")
    secret_text(PASSWORD_FILE, password)
    directory(DATA)
    for app in site.target.apps:
        user(redis_user(app))
        # For commands that people run by hand; the units of ours name the group.
        member(app, redis_user(app))
    for instance in instances(site.target):
        _files(site, instance)
        serve(site, instance, keep=True)
    for app in site.target.apps:
        with noted(f"Sessions of {app} in its own Redis") as label:
            shared_redis.copy_keys(
                name=label, app=app, socket=queue(app).socket, passwords=PASSWORD_FILES
            )


def serve(site: Site, instance: Instance, *, keep: bool) -> None:
    """Have an instance run, and know its users. ``keep``: and what their passwords were before."""
    what = f"Users of {instance.unit}"
    with noted(what, ("files", instance.users)) as label:
        done = put_users(
            name=label,
            path=instance.users,
            group=redis_user(instance.app),
            users=users(site, instance),
            keep=keep,
            original=is_anothers(instance.users),
        )
    kept(instance.users, done, what)
    service(
        instance.unit,
        runs=[_unit(instance), instance.config],
        reads=[instance.users],
        reload=load_users(instance),
        ready=f"{as_administrator(instance, 'ping')} | grep -q PONG",
        sandbox=_sandbox(instance, _memory_mb(site, instance)),
    )


def _files(site: Site, instance: Instance) -> None:
    owner = redis_user(instance.app)
    directory(instance.data, owner=owner, mode="700")
    file(
        instance.config,
        "redis.conf.j2",
        mode="640",
        group=owner,
        instance=instance,
        memory_mb=_memory_mb(site, instance),
        eviction="noeviction" if instance.keeps else site.settings.redis.cache_eviction,
    )
    folder = instance.sockets.removeprefix("/run/")
    file(_unit(instance), "redis.service.j2", instance=instance, folder=folder)


def _unit(instance: Instance) -> str:
    return f"/etc/systemd/system/{instance.unit}.service"


def _memory_mb(site: Site, instance: Instance) -> int:
    """What all applications may have of its kind, in equal parts."""
    settings = site.settings.redis
    given = settings.queue_memory_mb if instance.keeps else settings.cache_memory_mb
    together = given or sizing.redis_memory_mb(site.hardware)
    return max(sizing.LEAST_REDIS_MB, together // len(site.target.apps))


def _sandbox(instance: Instance, memory_mb: int) -> Sandbox:
    """It talks to nobody but who reaches its socket.

    While it saves, a copy of what changes meanwhile may need as much again.
    """
    owner = redis_user(instance.app)
    return Sandbox(
        writes=[instance.data],
        umask="0077",
        extra=(
            *(f"User={owner}", f"Group={owner}"),
            *("PrivateNetwork=yes", "RestrictAddressFamilies=", "RestrictAddressFamilies=AF_UNIX"),
            *(f"MemoryMax={2 * memory_mb + 64}M", "TasksMax=64", "CPUWeight=100"),
        ),
    )
