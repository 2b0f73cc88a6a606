"""Keys move from the shared Redis to an application's own, and none is lost on the way."""

import socket
import threading
from collections.abc import Iterator
from fnmatch import fnmatchcase
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tasks.redis.host import move_keys
from tasks.redis.host.move_keys import Redis, Refused, copy, main, move


class Memory(Redis):
    """What of Redis this needs, in this process: each key's kind, value, and idle time in s."""

    def __init__(self, **keys: tuple[str, Any, int]) -> None:
        self.keys: dict[bytes, tuple[str, Any, int]] = {
            name.replace("__", ":").encode(): each for name, each in keys.items()
        }
        self.database = 0

    def ask(self, *words: str | bytes | int) -> Any:
        command, *rest = words
        if command == "SELECT":
            self.database = int(rest[0])
            return b"OK"
        if command == "SCAN":
            return [b"0", self._scan(*rest) if self.database == 0 else []]
        if command == "OBJECT":
            return self.keys[rest[1]][2] if rest[1] in self.keys else None
        key: Any = rest[0]
        kind, value, _ = self.keys.get(key, ("none", None, 0))
        match command:
            case "TYPE":
                return kind.encode()
            case "EXISTS":
                return int(key in self.keys)
            case "PTTL":
                return -1
            case "DUMP":
                return (kind, value)
            case "RESTORE":
                assert rest[1] == 0 and rest[3] == "REPLACE"
                self.keys[key] = (*rest[2], rest[5])  # type: ignore[misc]
            case "UNLINK":
                del self.keys[key]
            case "LRANGE":
                return value[int(rest[1]) : int(rest[2]) + 1]
            case "RPUSH":
                value.extend(rest[1:])
            case "LTRIM":
                del value[: int(rest[1])]
            case "XRANGE":
                assert rest[1:] == ["-", "+", "COUNT", 500]
                return list(value[:500])
            case "XADD":
                assert rest[1] == "*"
                value.append([b"new", list(rest[2:])])
            case "XDEL":
                assert value.pop(0)[0] == rest[1]
            case "SSCAN":
                return [b"0", sorted(value)]
            case "SADD":
                value.add(rest[1])
            case "HSCAN" | "ZSCAN":
                return [b"0", [each for pair in value.items() for each in pair]]
            case "HSETNX":
                value.setdefault(rest[1], rest[2])
            case "ZADD":
                assert rest[1] == "NX"
                value.setdefault(rest[3], rest[2])
            case _:
                raise AssertionError(words)
        return 1

    def _scan(self, *words: Any) -> list[bytes]:
        given = dict(zip(words[1::2], words[2::2], strict=True))
        return [
            key
            for key, (kind, *_) in self.keys.items()
            if fnmatchcase(key.decode(), given["MATCH"]) and given.get("TYPE", kind) == kind
        ]


def test_values_are_copied_and_all_else_waits() -> None:
    old = Memory(shop__a=("string", b"1", 3), shop__q=("list", [b"j"], 0), blog__a=("string", 2, 0))
    new = Memory()
    copy(old, new, "shop")
    assert new.keys == {b"shop:a": ("string", b"1", 3)}
    assert len(old.keys) == 3


@pytest.mark.parametrize(("idle_s", "kept"), [(9, b"old"), (3, b"new"), (1, b"new")])
def test_of_two_values_the_one_that_was_used_last_is_kept(idle_s: int, kept: bytes) -> None:
    old, new = Memory(shop__a=("string", b"old", 3)), Memory(shop__a=("string", b"new", idle_s))
    move(old, new, "shop")
    assert new.keys[b"shop:a"][1] == kept
    assert old.keys == {}


def test_what_both_have_is_joined_and_others_keys_stay() -> None:
    jobs = [b"%d" % number for number in range(1100)]
    old = Memory(
        shop__jobs=("list", [*jobs], 0),
        shop__set=("set", {b"a", b"b"}, 0),
        shop__later=("zset", {b"x": b"1", b"y": b"2"}, 0),
        shop__hash=("hash", {b"k": b"old", b"l": b"old"}, 0),
        shop__alone=("stream", b"all of it", 0),
        shop__news=("stream", [[b"1-1", [b"a", b"1"]], [b"1-2", [b"a", b"2"]]], 0),
        shop_2__a=("string", b"", 0),
    )
    new = Memory(
        shop__jobs=("list", [b"new"], 0),
        shop__set=("set", {b"c"}, 0),
        shop__later=("zset", {b"x": b"5"}, 0),
        shop__hash=("hash", {b"k": b"new"}, 0),
        shop__news=("stream", [[b"2-1", [b"a", b"3"]]], 0),
    )
    move(old, new, "shop")
    assert {key: value for key, (_, value, _) in new.keys.items()} == {
        b"shop:jobs": [b"new", *jobs],
        b"shop:set": {b"a", b"b", b"c"},
        b"shop:later": {b"x": b"5", b"y": b"2"},
        b"shop:hash": {b"k": b"new", b"l": b"old"},
        b"shop:alone": b"all of it",
        b"shop:news": [[b"2-1", [b"a", b"3"]], [b"new", [b"a", b"1"]], [b"new", [b"a", b"2"]]],
    }
    assert set(old.keys) == {b"shop_2:a"}


def test_what_cannot_be_joined_stays_where_it_was_and_is_told() -> None:
    old, new = Memory(shop__s=("vectorset", b"1", 0)), Memory(shop__s=("vectorset", b"2", 0))
    with pytest.raises(Refused, match=r"both have b'shop:s', .*vectorset"):
        move(old, new, "shop")
    assert (old.keys[b"shop:s"][1], new.keys[b"shop:s"][1]) == (b"1", b"2")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, list[bytes]]]:
    """A socket at which one client is answered as Redis would, and what it was sent."""
    path, sent = str(tmp_path / "redis.sock"), []
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    answers = b"+OK\r\n", b"*2\r\n$3\r\na\r\n\r\n$-1\r\n", b":7\r\n", b"-OOM no room\r\n", b""

    def serve() -> None:
        client, _ = listener.accept()
        with client:
            for answer in answers:
                sent.append(client.recv(1000))
                client.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    yield path, sent
    thread.join()
    listener.close()


def test_redis_is_spoken_to_as_it_wants_it(server: tuple[str, list[bytes]]) -> None:
    path, sent = server
    redis = Redis(path, "pass word")
    assert redis.ask("MGET", b"\xff", 1) == [b"a\r\n", None]
    assert redis.ask("INCR", "a") == 7
    with pytest.raises(Refused, match="OOM no room"):
        redis.ask("SET", "a", "b")
    with pytest.raises(OSError, match="closed"):
        redis.ask("PING")
    assert sent[:2] == [
        b"*3\r\n$4\r\nAUTH\r\n$4\r\nchom\r\n$9\r\npass word\r\n",
        b"*3\r\n$4\r\nMGET\r\n$1\r\n\xff\r\n$1\r\n1\r\n",
    ]


def test_a_failure_is_told_in_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(move_keys, "SHARED", str(tmp_path / "none"))
    password = tmp_path / "password"
    password.write_text("x")
    with pytest.raises(SystemExit, match="the keys of shop did not all get to its own Redis: "):
        main("move", "shop", str(tmp_path / "own"), str(password), str(tmp_path / "lost"))


def test_the_password_of_before_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    class Picky(Redis):
        def __init__(self, address: Any, password: str) -> None:
            tried.append(password)
            if password != "old":
                raise Refused("WRONGPASS")

    monkeypatch.setattr(move_keys, "Redis", Picky)
    move_keys.connect("somewhere", ["new", "old"])
    assert tried == ["new", "old"]
    with pytest.raises(Refused):
        move_keys.connect("somewhere", ["new", "newer"])


def test_where_all_passwords_are_forgotten_the_present_one_is_made_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    users = tmp_path / "users.acl"
    users.write_text("user default off\nuser chom on #0 ~* +@all\nuser shop on #1 ~shop:*\n")
    known: set[str] = set()

    class Forgetful(Redis):
        def __init__(self, address: Any, password: str) -> None:
            if password not in known:
                raise Refused("WRONGPASS")

    def restart(command: list[str], check: bool) -> None:
        assert command[:2] == ["systemctl", "restart"] and check
        known.add("new")

    monkeypatch.setattr(move_keys, "USERS", str(users))
    monkeypatch.setattr(move_keys, "Redis", Forgetful)
    monkeypatch.setattr("subprocess.run", restart)
    move_keys.connect_shared(["new", "old"])
    hashed = sha256(b"new").hexdigest()
    assert users.read_text().splitlines() == [
        "user default off", f"user chom on #{hashed} #0 ~* +@all", "user shop on #1 ~shop:*"
    ]  # fmt: skip
    assert [each.name for each in tmp_path.iterdir()] == ["users.acl"]


@pytest.mark.parametrize("name", ["users.acl", "users.acl.chom-new"])
def test_no_link_is_followed_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / "users.acl").write_text("user chom on ~*\n")
    (tmp_path / "secret").write_text("of root\n")
    (tmp_path / name).unlink(missing_ok=True)
    (tmp_path / name).symlink_to("secret")
    monkeypatch.setattr(move_keys, "USERS", str(tmp_path / "users.acl"))
    with pytest.raises(OSError, match="symbolic links"):
        move_keys.admit("new")
    assert (tmp_path / "secret").read_text() == "of root\n"
