"""Watching a lab's machines for a secret, while something runs on them."""

import base64
import json
import os
import threading
import urllib.parse
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from tasks.quoting import QUOTINGS


def disguises(secret: str) -> list[bytes]:
    """The secret as it might show: plain, quoted, URL encoded, in hexadecimal, or in base64."""
    raw = secret.encode()
    found = {raw, urllib.parse.quote(secret, safe="").encode(), raw.hex().encode()}
    found |= {json.dumps(secret, ensure_ascii=ascii)[1:-1].encode() for ascii in (True, False)}
    found |= {repr(secret)[1:-1].encode(), raw.replace(b"'", b"'\"'\"'")}
    found |= {quote(secret)[1:-1].encode() for quote in QUOTINGS.values()}
    # Of a key in several lines, each line alone.
    found |= {line.encode() for line in secret.splitlines() if len(line) > 40}
    for shift in range(3):
        # What is beside the secret decides the first and the last characters.
        encoded = base64.b64encode(b"?" * shift + raw)
        found.add(encoded[4 if shift else 0 : len(encoded) // 4 * 4 - 4])
    return sorted(found)


# It takes its passwords no other way; an environment can be read by the process's own user and by
# root alone.
FROM_ITS_ENVIRONMENT = b"prometheus-redis-exporter"


class Watch:
    """Reads, again and again, what every process here and on the machines shows of itself.

    ``leaks``: the command lines that held a secret, and, of the machines, those of processes of
    other users than root whose environment did, except for an application's own: Laravel hands what
    is in .env to whatever it starts, were it to ask for the size of a terminal. ``commands``: all
    command lines seen, the proof that it did watch. ``secrets``: their values by name.
    """

    def __init__(self, secrets: Mapping[str, str]) -> None:
        self.leaks: set[str] = set()
        self.commands: set[str] = set()
        self._names = {*secrets}
        self._disguises = [(name, each) for name in secrets for each in disguises(secrets[name])]
        # Of each machine, by its namespace of processes: user ids with their names.
        self._users: dict[str, dict[int, str]] = {}
        self._own = os.readlink("/proc/self/ns/pid")
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        # Without a pause: a remote command may be over in a few milliseconds.
        while not self._ended.is_set():
            for name in os.listdir("/proc"):
                if name.isdecimal():
                    # A process may end while it is looked at.
                    with suppress(OSError):
                        self._look_at(name)

    def _look_at(self, pid: str) -> None:
        folder = Path("/proc", pid)
        command = (folder / "cmdline").read_bytes()
        self.commands.add(command.replace(b"\0", b" ").decode(errors="replace"))
        machine, user = os.readlink(folder / "ns/pid"), folder.stat().st_uid
        found = self._found_in(command)
        if machine != self._own and user != 0 and FROM_ITS_ENVIRONMENT not in command:
            app = self._name(folder, machine, user).removeprefix("_").upper()
            own = f"{app}_" if f"{app}_APP_KEY" in self._names else "no application"
            environment = self._found_in((folder / "environ").read_bytes())
            found |= {name for name in environment if not name.startswith(own)}
        if found:
            self.leaks.add(f"{command.decode(errors='replace')} ({', '.join(sorted(found))})")

    def _found_in(self, text: bytes) -> set[str]:
        """The names of the secrets in it."""
        return {name for name, disguise in self._disguises if disguise in text}

    def _name(self, folder: Path, machine: str, user: int) -> str:
        """Of a user of a machine, as a process of that machine sees it."""
        if user not in self._users.get(machine, {}):
            lines = (folder / "root/etc/passwd").read_text().splitlines()
            entries = [line.split(":") for line in lines]
            self._users[machine] = {int(each[2]): each[0] for each in entries}
        return self._users[machine].get(user, str(user))
