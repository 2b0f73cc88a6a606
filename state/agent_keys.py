"""Keys that never leave an SSH agent: it signs, whenever a server wants a proof."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from paramiko import Agent, PKey
from paramiko.agent import AgentKey
from paramiko.ssh_exception import SSHException

from configs.agent import socket_of

_LOCK = threading.Lock()


class HeldKey(AgentKey):
    """A key in an agent. Targets that are logged in to at the same time ask one after the other."""

    def __init__(self, agent: Agent, key: AgentKey) -> None:
        super().__init__(agent, key.blob, key.comment)
        self.public_blob: Any = None

    def sign_ssh_data(self, *arguments: Any) -> Any:
        """Let the agent sign."""
        with _LOCK:
            return super().sign_ssh_data(*arguments)


def held_key(public: bytes | None, agent: str | None) -> PKey | None:
    """Return a key that an agent holds; None where it does not.

    + public: its public half
    + agent: the agent's socket; None for the one of the environment, "none" for no agent
    """
    socket = socket_of(agent)
    if public is None or socket is None:
        return None
    with _LOCK, _environment(socket):
        try:
            found = Agent()
            keys = found.get_keys()
        except (SSHException, OSError):
            return None
    for key in keys:
        if key.blob == public:
            return HeldKey(found, key)
    return None


@contextmanager
def _environment(socket: str) -> Iterator[None]:
    """paramiko finds an agent by the environment alone."""
    before = os.environ.get("SSH_AUTH_SOCK")
    os.environ["SSH_AUTH_SOCK"] = socket
    try:
        yield
    finally:
        if before is None:
            del os.environ["SSH_AUTH_SOCK"]
        else:
            os.environ["SSH_AUTH_SOCK"] = before
