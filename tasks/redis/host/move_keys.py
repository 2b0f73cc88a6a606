"""Bring an application's keys from the Redis that all shared to the one of its own.

Usage: move_keys.py copy|move APP SOCKET PASSWORD_FILE...

``copy`` leaves all where it was, and brings values alone (sessions are such), which a visitor of
the moment needs as soon as the application asks its own Redis. ``move`` brings the rest, once
nothing of the application asks the shared one any more, and may be interrupted and run again: of a
value that both have, the one that was used last is kept; jobs of both are kept.
"""

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Any

SHARED, UNIT = ("127.0.0.1", 6379), "redis-server.service"
# Who may log in to the shared one.
USERS = "/etc/redis/users.acl"
ADMINISTRATOR = "chom"
# As Debian configures it.
DATABASES = 16
# How much is brought at once, in elements.
PORTION = 500


class Refused(Exception):
    """Redis answered with an error."""


class Redis:
    """A connection that speaks RESP2 (see Redis' protocol specification)."""

    def __init__(self, address: str | tuple[str, int], password: str) -> None:
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        self._socket.settimeout(60)
        self._socket.connect(address)
        self._answers = self._socket.makefile("rb")
        self.ask("AUTH", ADMINISTRATOR, password)

    def ask(self, *words: str | bytes | int) -> Any:
        """The answer to a command: bytes, a number, None, or a list of such. Raises Refused."""
        sent = [each if isinstance(each, bytes) else str(each).encode() for each in words]
        self._socket.sendall(b"*%d\r\n" % len(sent) + b"".join(map(_bulk, sent)))
        return self._answer()

    def _answer(self) -> Any:
        line = self._answers.readline()
        if not line.endswith(b"\r\n"):
            raise OSError("Redis has closed the connection")
        kind, rest = line[:1], line[1:-2]
        match kind:
            case b"-":
                raise Refused(rest.decode(errors="replace"))
            case b":":
                return int(rest)
            case b"$":
                length = int(rest)
                return None if length < 0 else self._answers.read(length + 2)[:-2]
            case b"*":
                return [self._answer() for _ in range(int(rest))]
        return rest


def _bulk(word: bytes) -> bytes:
    return b"$%d\r\n%s\r\n" % (len(word), word)


def connect(address: str | tuple[str, int], passwords: Sequence[str]) -> Redis:
    """A connection by the first of these passwords that is the right one. Raises Refused."""
    for password in passwords:
        try:
            return Redis(address, password)
        except Refused as error:
            refused = error
    raise refused


def connect_shared(passwords: Sequence[str]) -> Redis:
    """The same to the shared one, which learns the present password if it knows none of them.

    That takes a restart, in which it loses nothing.
    """
    try:
        return connect(SHARED, passwords)
    except Refused:
        admit(passwords[0])
        # Those of the applications are part of it, and would be restarted, too.
        alone = "--job-mode=ignore-dependencies"
        subprocess.run(["systemctl", "restart", alone, UNIT], check=True)
        return connect(SHARED, passwords)


def admit(password: str) -> None:
    """Have the shared one know a password of its administrator when it starts.

    Its folder is not root's alone, so no link is followed.
    """
    with open(os.open(USERS, os.O_RDONLY | os.O_NOFOLLOW)) as file:
        owner, text = os.fstat(file.fileno()), file.read()
    hashed = sha256(password.encode()).hexdigest()
    text = re.sub(f"^user {ADMINISTRATOR} on ", rf"\g<0>#{hashed} ", text, flags=re.MULTILINE)
    new = f"{USERS}.chom-new"
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o640)
    with open(descriptor, "w") as file:
        os.fchown(descriptor, owner.st_uid, owner.st_gid)
        file.write(text)
    os.replace(new, USERS)


def copy(old: Redis, new: Redis, app: str) -> None:
    """Bring the values of ``app``."""
    for key in _keys(old, new, app, "string"):
        _bring(old, new, key)


def move(old: Redis, new: Redis, app: str) -> None:
    """Bring all keys of ``app``, each of which then goes from the old one."""
    for key in _keys(old, new, app):
        kind = old.ask("TYPE", key)
        if kind == b"string" or not new.ask("EXISTS", key):
            _bring(old, new, key)
        elif kind == b"list":
            _append(old, new, key)
        elif kind == b"stream":
            _replay(old, new, key)
        elif kind in MERGED:
            _merge(old, new, key, kind)
        else:
            raise Refused(f"both have {key!r}, and nothing joins two of its kind ({kind.decode()})")
        old.ask("UNLINK", key)


def _keys(old: Redis, new: Redis, app: str, kind: str | None = None) -> Iterator[bytes]:
    """Those of ``app``, by database, which is selected in both; each once or more often."""
    filters = ["TYPE", kind] if kind else []
    for database in range(DATABASES):
        old.ask("SELECT", database)
        new.ask("SELECT", database)
        yield from _scanned(old, "SCAN", "MATCH", f"{app}:*", *filters)


def _scanned(redis: Redis, command: str, *words: str | bytes) -> Iterator[bytes]:
    """What one of the SCAN commands finds. ``words``: after the cursor; a key goes before it."""
    key = [word for word in words[:1] if isinstance(word, bytes)]
    cursor = b"0"
    while True:
        cursor, found = redis.ask(command, *key, cursor, *words[len(key) :], "COUNT", PORTION)
        yield from found
        if cursor == b"0":
            return


def _bring(old: Redis, new: Redis, key: bytes) -> None:
    """A copy, unless the new one was used later."""
    idle, there = old.ask("OBJECT", "IDLETIME", key), new.ask("OBJECT", "IDLETIME", key)
    if there is not None and (idle is None or there <= idle):
        return
    left_ms, value = old.ask("PTTL", key), old.ask("DUMP", key)
    if value is not None:
        new.ask("RESTORE", key, max(0, left_ms), value, "REPLACE", "IDLETIME", idle or 0)


def _append(old: Redis, new: Redis, key: bytes) -> None:
    """Behind what came meanwhile; an interruption may leave a portion in both."""
    while portion := old.ask("LRANGE", key, 0, PORTION - 1):
        new.ask("RPUSH", key, *portion)
        old.ask("LTRIM", key, PORTION, -1)


def _replay(old: Redis, new: Redis, key: bytes) -> None:
    """Entries behind those that came meanwhile, with ids of the new one."""
    while entries := old.ask("XRANGE", key, "-", "+", "COUNT", PORTION):
        for name, fields in entries:
            new.ask("XADD", key, "*", *fields)
            old.ask("XDEL", key, name)


# Of each kind: how it is read, how much of what is read is an element, and how one is added.
MERGED = {b"set": ("SSCAN", 1), b"zset": ("ZSCAN", 2), b"hash": ("HSCAN", 2)}


def _merge(old: Redis, new: Redis, key: bytes, kind: bytes) -> None:
    """What the new one lacks; what it has goes before."""
    command, size = MERGED[kind]
    words = list(_scanned(old, command, key))
    for element in (words[at : at + size] for at in range(0, len(words), size)):
        match kind:
            case b"set":
                new.ask("SADD", key, *element)
            case b"zset":
                new.ask("ZADD", key, "NX", *reversed(element))
            case _:
                new.ask("HSETNX", key, *element)


def _password(path: str) -> str | None:
    try:
        with open(path) as file:
            return file.read()
    except FileNotFoundError:
        return None


def main(what: str, app: str, own: str, *files: str) -> None:
    """Do it, and say what went wrong in one line."""
    passwords = [each for path in files if (each := _password(path))]
    try:
        old, new = connect_shared(passwords), connect(own, passwords)
        (copy if what == "copy" else move)(old, new, app)
    except (OSError, Refused, subprocess.CalledProcessError) as error:
        sys.exit(f"the keys of {app} did not all get to its own Redis: {error}")


if __name__ == "__main__":
    main(*sys.argv[1:])
