"""Who gets to whose data: Redis' users, and what MariaDB must not let in."""

from pathlib import Path

import pytest
from pyinfra.api.operation import OperationMeta
from pyinfra.context import ctx_host, ctx_state

from configs.secrets import Secret
from tasks.operations.databases import PRIVILEGES, database_sql, make_database, secure_server
from tasks.operations.redis import known_hashes, put_users, users_text
from tasks.redis.instances import cache, queue, redis_user
from tasks.redis.users import load_users
from tasks.upcoming import Upcoming
from tests.unit.helpers import fake_state
from tests.unit.test_scripts import sh, stub

USERS = {"chom": ("~* &* +@all", "11"), "shop": ("~shop:* &shop:* +@all -@dangerous", "22")}


def test_nobody_comes_in_by_default_and_passwords_are_hashes() -> None:
    assert users_text(USERS, {}).splitlines() == [
        "user default off",
        "user chom on #11 ~* &* +@all",
        "user shop on #22 ~shop:* &shop:* +@all -@dangerous",
    ]


def test_a_password_of_before_is_kept_behind_the_present_one() -> None:
    known = known_hashes(users_text({**USERS, "shop": ("~shop:*", "old")}, {}).splitlines())
    assert known == {"default": [], "chom": ["11"], "shop": ["old"]}
    assert "user shop on #22 #old ~shop:*" in users_text(USERS, known)
    again = known_hashes(users_text(USERS, known).splitlines())
    assert users_text(USERS, again) == users_text(USERS, known)


@pytest.mark.parametrize(("keep", "changes"), [(True, False), (False, True)])
def test_what_is_kept_is_no_change_until_it_is_dropped(keep: bool, changes: bool) -> None:
    there = users_text(USERS, {"shop": ["old"]}).splitlines()
    answers = {"cat": there, "stat -c": ["regular file|640|root|_shop-redis", "0" * 64 + "  -"]}
    state = fake_state(["a"], answers)
    (host,) = state.inventory
    with ctx_state.use(state), ctx_host.use(host):
        commands = list(
            put_users._inner(path="/etc/a.acl", group="_shop-redis", users=USERS, keep=keep)
        )
    assert bool(commands) == changes
    assert all(str(each.connector_arguments["_stdin"]).count("#") == 2 for each in commands)


@pytest.mark.parametrize(
    ("knows", "said"), [("new", "new"), ("old", "new old"), ("neither", "new old end")]
)
def test_redis_is_told_by_the_password_that_it_knows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, knows: str, said: str
) -> None:
    for name in ("new", "old"):
        (tmp_path / name).write_text(name)
    monkeypatch.setattr("tasks.redis.users.PASSWORD_FILE", str(tmp_path / "new"))
    monkeypatch.setattr("tasks.redis.users.PREVIOUS_FILE", str(tmp_path / "old"))
    client = f'echo $REDISCLI_AUTH >&2; [ "$REDISCLI_AUTH" = {knows} ] && echo OK || echo NOPERM'
    # A function goes before the shell's own kill.
    script = "kill() { echo end >&2; }; " + load_users(queue("shop"))
    done = sh(script, PATH=stub(tmp_path, {"redis-cli": client}))
    assert done.stderr.split() == said.split()


def test_no_two_have_anything_in_common() -> None:
    found = [each(app) for app in ("shop", "shop_queue") for each in (queue, cache)]
    for name in ("full_name", "unit", "config", "users", "data", "sockets", "socket", "url"):
        assert len({getattr(each, name) for each in found}) == 4
    assert [each.keeps for each in found] == [True, False] * 2


def test_users_of_redis_are_as_long_as_linux_lets_them_be() -> None:
    names = ["a", "a" * 25, "a" * 26, "a" * 30 + "b", "a" * 31]
    found = [redis_user(name) for name in names]
    assert found[:2] == ["_a-redis", f"_{'a' * 25}-redis"]
    assert len({*found}) == 5 and max(map(len, found)) <= 32


GRANT = f"grant/shop shop {', '.join(PRIVILEGES)}"
RIGHT = ["database/shop", "user/shop", GRANT, "privileges/shop USAGE"]


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (RIGHT, []),
        ([*RIGHT, "anonymous/%"], ["drop user ''@'%';"]),
        ([*RIGHT, "remote_root/10.0.0.1"], ["drop user 'root'@'10.0.0.1';"]),
        (
            [*RIGHT, "root_password"],
            ["alter user 'root'@'localhost' identified via unix_socket;"],
        ),
        ([*RIGHT, "database/test"], ["drop database test;", "from mysql.db where db like 'test%'"]),
    ],
)
def test_what_lets_strangers_in_is_taken_away_and_nothing_else(
    found: list[str], words: list[str]
) -> None:
    state = fake_state(["a"], {"global_priv": found})
    (host,) = state.inventory
    with ctx_state.use(state), ctx_host.use(host):
        commands = list(secure_server._inner())
    text = "".join(str(each.connector_arguments["_stdin"]) for each in commands)
    assert bool(commands) == bool(words)
    assert all(word in text for word in words)
    assert text.count(";") == (len(words) + 1 if words else 0)


@pytest.mark.parametrize(
    ("found", "changes", "revokes"),
    [
        (RIGHT, False, False),
        (RIGHT[:3], False, False),
        ([*RIGHT[:2], "grant/shop shop SELECT"], True, True),
        ([*RIGHT, "grant/shop blog SELECT"], True, True),
        ([*RIGHT[:3], "privileges/shop SUPER"], True, True),
        (RIGHT[1:], True, False),
        ([], True, False),
    ],
)
def test_an_application_may_do_what_it_needs_on_its_own_database(
    found: list[str], changes: bool, revokes: bool
) -> None:
    state = fake_state(["a"], {"global_priv": found, "--defaults-file": ["yes"]})
    (host,) = state.inventory
    state.is_executing = True
    with ctx_state.use(state), ctx_host.use(host):
        commands = list(
            make_database._inner(
                database="shop",
                user="shop",
                password=Secret("P", "p"),
                login="/login",
                upcoming=Upcoming("File /login", OperationMeta("its hash", None)),
            )
        )
    text = "".join(str(each.connector_arguments["_stdin"]) for each in commands)
    assert (bool(commands), "revoke" in text) == (changes, revokes)


def test_it_may_not_hand_on_what_it_may() -> None:
    text = database_sql("shop", "shop", Secret("P", "p"), wider=False)
    assert "grant option" not in text.lower() and "all privileges" not in text.lower()
    assert sorted(PRIVILEGES) == list(PRIVILEGES)
