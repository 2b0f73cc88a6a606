"""Keys that an SSH agent holds."""

import base64
import os
import subprocess

TIMEOUT_S = 10


def socket_of(agent: str | None) -> str | None:
    """Return the agent's socket: the given one, or that of the environment; None for no agent."""
    found = os.environ.get("SSH_AUTH_SOCK") if agent is None else agent
    return found if found and found != "none" else None


def agent_keys(agent: str | None) -> frozenset[bytes]:
    """Return the public keys and certificates that an agent holds, none where there is no agent.

    + agent: its socket; None for the one of the environment, "none" for no agent
    """
    socket = socket_of(agent)
    if socket is None:
        return frozenset()
    try:
        done = subprocess.run(
            ["ssh-add", "-L"],
            env={**os.environ, "SSH_AUTH_SOCK": socket},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
        )
    except (OSError, subprocess.TimeoutExpired):
        return frozenset()
    return frozenset(filter(None, map(blob_of, done.stdout.splitlines())))


def blob_of(line: str) -> bytes | None:
    """Return the key of a line of a `.pub` file; None where there is none."""
    words = line.split()
    try:
        return base64.b64decode(words[1], validate=True) or None
    except (IndexError, ValueError):
        return None
