"""Redis' leftovers: what all applications of a server shared in earlier versions."""

from tasks.component import Site, component, noted
from tasks.operations import shared_redis
from tasks.redis.instances import queue
from tasks.redis.users import PASSWORD_FILES
from tasks.resources import service
from tasks.sandbox import Sandbox

# Debian's unit runs no process; it lets none start but Redis itself, for ever.
NOTHING = (
    *(
        "Type=oneshot",
        "RemainAfterExit=yes",
        "Restart=no",
        "PIDFile=",
        "NoExecPaths=",
        "ExecPaths=",
    ),
    *("ExecStart=", "ExecStart=/bin/true", "ExecReload=", "ExecStartPost=", "ExecStopPost="),
)


@component(needs=["redis", "releases", "workers"])
def redis_leftovers(site: Site) -> None:
    """After all that could still ask for it."""
    for app in site.target.apps:
        with noted(f"Keys of {app} in its own Redis") as label:
            shared_redis.move_keys(
                name=label, app=app, socket=queue(app).socket, passwords=PASSWORD_FILES
            )
    with noted("No Redis of all applications") as label:
        shared_redis.retire(name=label)
    # A package that replaces Redis restarts it, and so all that are part of it.
    service("redis-server", sandbox=Sandbox(extra=NOTHING))
