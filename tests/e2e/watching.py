"""Watching a lab's machines for a secret, while something runs on them."""

import base64
import json
import os
import threading
import urllib.parse
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


# One takes its passwords no other way; by the other artisan asks for the size of a terminal, and
# Laravel hands what is in .env to whatever it starts. An environment can be read by the process's
# own user and by root alone.
FROM_THEIR_ENVIRONMENT = (b"prometheus-redis-exporter", b"stty\0-a")


class Watch:
    """Reads, again and again, what every process here and on the machines shows of itself.

    ``leaks``: the command lines that held a secret, and, of the machines, those of processes of
    other users than root whose environment did. ``commands``: all command lines seen, the proof
    that it did watch.
    """

    def __init__(self, *secrets: str) -> None:
        self.leaks: set[str] = set()
        self.commands: set[str] = set()
        self._disguises = [each for secret in secrets for each in disguises(secret)]
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
        shown = [command]
        ours = os.readlink(folder / "ns/pid") == self._own
        known = any(each in command for each in FROM_THEIR_ENVIRONMENT)
        if not ours and not known and folder.stat().st_uid != 0:
            shown.append((folder / "environ").read_bytes())
        if any(disguise in text for text in shown for disguise in self._disguises):
            self.leaks.add(command.decode(errors="replace"))
