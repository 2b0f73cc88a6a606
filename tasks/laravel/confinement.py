"""Sandboxes of an application: one for what serves it, one for what builds its releases."""

from configs import App
from facts.hardware import HardwareData
from tasks import sizing
from tasks.laravel.places import build_user, root, storage
from tasks.redis.instances import redis_user
from tasks.sandbox import Sandbox


def runtime(name: str, app: App, *limits: str) -> Sandbox:
    """What serves an application: it writes to its storage alone, and sees no other one's folder.

    + limits: further lines of the unit, such as its most memory
    """
    return _sandbox(name, name, (storage(name), *app.writable_paths), limits)


def command(name: str, app: App, hardware: HardwareData) -> Sandbox:
    """A single command of an application's, such as its migrations."""
    return runtime(name, app, *_command_limits(hardware))


def build(name: str, hardware: HardwareData) -> Sandbox:
    """What makes a release: a user of its own, which may read the settings and write nothing.

    The folders that a step of the build needs are given to that step.
    """
    limits = (f"SupplementaryGroups={name}", *_command_limits(hardware))
    return _sandbox(name, build_user(name), (), limits)


def _sandbox(name: str, user: str, writes: tuple[str, ...], extra: tuple[str, ...]) -> Sandbox:
    own = (f"User={user}", f"Group={user}", f"SupplementaryGroups={redis_user(name)}")
    alone = ("TemporaryFileSystem=/var/www:ro", f"BindReadOnlyPaths={root(name)}")
    return Sandbox(
        writes=writes,
        # PCRE compiles regular expressions to machine code, so memory must be executable.
        jit=True,
        system_calls=("@resources",),
        extra=(*own, *alone, *extra),
    )


def _command_limits(hardware: HardwareData) -> tuple[str, ...]:
    memory_mb = sizing.command_memory_mb(hardware)
    # Visitors go before.
    return (f"MemoryMax={memory_mb}M", "TasksMax=256", "CPUWeight=50")
