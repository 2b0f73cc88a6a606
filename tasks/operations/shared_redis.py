"""The Redis that all applications of a server shared in earlier versions, until it is empty."""

from collections.abc import Sequence
from pathlib import Path

from pyinfra import host
from pyinfra.api import StringCommand, operation

from facts.conditions import Condition
from facts.shell import sh
from tasks.effects import tell
from tasks.operations.commands import Commands

# It is there as long as something may be in that Redis which an application needs.
USERS = "/etc/redis/users.acl"
UNIT, CACHE_UNIT = "redis-server.service", "redis-server@cache.service"
PROGRAM = Path(__file__).parent.parent / "redis" / "host" / "move_keys.py"


@operation()
def copy_keys(app: str, socket: str, passwords: Sequence[str]) -> Commands:
    """Copy the sessions of ``app`` to its own Redis, at ``socket``, before it asks that one.

    ``passwords``: files, of which one has the password of both.
    """
    if _knows(app):
        tell("run", f"copy of {app}'s sessions", why="it gets a Redis of its own")
        running = f"systemctl -q is-active {UNIT} || exit 0"
        yield _program(running, ["copy", app, socket, *passwords])


@operation()
def move_keys(app: str, socket: str, passwords: Sequence[str]) -> Commands:
    """Move what ``app`` has in the shared Redis to its own; otherwise as ``copy_keys``."""
    if _knows(app):
        tell("run", f"move of {app}'s keys", why="it has a Redis of its own")
        running = f"systemctl start {UNIT} || exit 1"
        yield _program(running, ["move", app, socket, *passwords])


@operation()
def retire() -> Commands:
    """End the shared ones; their files stay, as data."""
    if host.get_fact(Condition, shell=f"[ -e {USERS} ]"):
        tell("stop", f"{UNIT} of all applications", why="each has its own")
        # The others are part of that unit, and would be stopped with it.
        stop = f"systemctl stop --job-mode=ignore-dependencies {UNIT} {CACHE_UNIT}"
        yield StringCommand(f"{stop} && systemctl -q disable {CACHE_UNIT} && rm {USERS}")


def _knows(app: str) -> bool:
    asked = sh("grep -qs {line} {users}", line=f"^user {app} ", users=USERS)
    return bool(host.get_fact(Condition, shell=asked))


def _program(running: str, words: Sequence[str]) -> StringCommand:
    """The program with these arguments, after ``running`` has seen to the shared Redis."""
    command = sh("python3 -I - {words}", words=words)
    return StringCommand(f"{running}; {command}", _stdin=PROGRAM.read_text())
