"""Who gets to whose data: Redis' users, and what MariaDB must not let in."""

from pathlib import Path

import pytest
from pyinfra.api.operation import OperationMeta
from pyinfra.context import ctx_host, ctx_state

from configs.secrets import Secret
from tasks.effects import listening
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


STRANGERS = [
    ("anonymous/%", "drop user ''@'%';", "database user ''@'%'"),
    ("remote_root/10.0.0.1", "drop user 'root'@'10.0.0.1';", "database user 'root'@'10.0.0.1'"),
    (
        "root_password",
        "alter user 'root'@'localhost' identified via unix_socket;",
        "database user root: by its socket alone",
    ),
    (
        "open/test\\_%",
        r"delete from mysql.db where user = '' and db = 'test\\_%';",
        r"rights of every user on databases test\_%",
    ),
]


def secured(found: list[str], is_ours: bool) -> tuple[str, list[str]]:
    """The statements for a MariaDB that holds this, and what a plan tells of them."""
    state = fake_state(["a"], {"global_priv": found})
    (host,) = state.inventory
    with ctx_state.use(state), ctx_host.use(host), listening() as effects:
        commands = list(secure_server._inner(is_ours=lambda: is_ours))
    text = "".join(str(each.connector_arguments["_stdin"]) for each in commands)
    return text, [each.what for each in effects]


@pytest.mark.parametrize(("item", "statement", "what"), STRANGERS)
def test_what_lets_strangers_into_our_mariadb_is_named_and_taken_away(
    item: str, statement: str, what: str
) -> None:
    text, told = secured([*RIGHT, item], is_ours=True)
    assert text == f"{statement}\nflush privileges;\n" and told == [what]


def test_a_mariadb_that_was_there_before_is_left_as_it_is() -> None:
    assert secured([*RIGHT, *(each[0] for each in STRANGERS)], is_ours=False) == ("", [])


def test_a_database_is_never_dropped_for_its_name() -> None:
    assert secured([*RIGHT, "database/test"], is_ours=True) == ("", [])


def made(
    found: list[str], database: str = "shop", login: str = "yes"
) -> tuple[str, list[tuple[str, str, str]]]:
    """The statements for a database of the user shop, and what a plan tells of them."""
    state = fake_state(["a"], {"global_priv": found, "--defaults-file": [login]})
    (host,) = state.inventory
    state.is_executing = True
    with ctx_state.use(state), ctx_host.use(host), listening() as effects:
        commands = list(
            make_database._inner(
                database=database,
                user="shop",
                password=Secret("P", "p"),
                login="/login",
                upcoming=Upcoming("File /login", OperationMeta("its hash", None)),
            )
        )
    text = "".join(str(each.connector_arguments["_stdin"]) for each in commands)
    return text, [(each.verb, each.what, each.why) for each in effects]


USER = "database user shop"


@pytest.mark.parametrize(
    ("found", "login", "told"),
    [
        (RIGHT, "yes", []),
        (RIGHT[:3], "yes", []),
        (RIGHT, "no", [("change", USER, "its password")]),
        ([*RIGHT[:2], "grant/shop shop SELECT"], "yes", [("change", USER, "its rights on shop")]),
        (RIGHT[1:], "yes", [("create", "database shop", ""), ("change", USER, "its password")]),
        ([], "yes", [("create", "database shop", ""), ("create", USER, "")]),
    ],
)
def test_a_database_is_made_and_its_user_gets_its_rights_on_it(
    found: list[str], login: str, told: list[tuple[str, str, str]]
) -> None:
    text, effects = made(found, login=login)
    assert effects == told
    assert bool(text) == bool(told)


@pytest.mark.parametrize(
    "more",
    [
        "grant/shop reports SELECT",
        "grant/shop shop\\_reports SELECT, UPDATE",
        "privileges/shop PROCESS",
    ],
)
def test_rights_that_somebody_else_granted_stay(more: str) -> None:
    assert made([*RIGHT, more]) == ("", [])
    text, _ = made([more])
    assert "create database" in text and "revoke" not in text


def test_more_rights_on_the_same_database_stay() -> None:
    wider = f"grant/shop shop {', '.join(sorted([*PRIVILEGES, 'EVENT']))}"
    assert made([*RIGHT[:2], wider]) == ("", [])


def test_two_databases_of_one_user_leave_each_other_alone() -> None:
    reports = f"grant/shop shop\\_reports {', '.join(PRIVILEGES)}"
    there = [*RIGHT, "database/shop_reports", reports]
    assert made(there) == ("", []) and made(there, "shop_reports") == ("", [])


def test_the_pattern_of_an_earlier_version_is_taken_away_and_nothing_else() -> None:
    rights = ", ".join(PRIVILEGES)
    there = ["database/a_b", "user/shop", f"grant/shop a\\_b {rights}", f"grant/shop a_b {rights}"]
    text, told = made(there, "a_b")
    assert [line for line in text.splitlines() if line.startswith("revoke")] == [
        "revoke all privileges on `a_b`.* from 'shop'@'localhost';"
    ]
    assert told == [("change", USER, "its rights on a_b and on no other")]


def test_it_may_not_hand_on_what_it_may() -> None:
    text = database_sql("shop", "shop", Secret("P", "p"))
    assert "grant option" not in text.lower() and "all privileges" not in text.lower()
    assert sorted(PRIVILEGES) == list(PRIVILEGES)
