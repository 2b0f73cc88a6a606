"""What is kept is kept: through deployments, restarts and full memory; and from others."""

import re
from collections.abc import Iterator

import pytest

from configs.secrets import Secret
from tasks.operations.databases import database_sql
from tasks.operations.removing import removal_sql
from tasks.redis.instances import Instance, cache, queue
from tests.e2e.machines import answer
from tests.e2e.platform import Platform
from tests.e2e.project import changed
from tests.e2e.shop import MACHINE
from tests.lab import Lab

QUEUE, CACHE = queue("laravel"), cache("laravel")
SHOWN = "cat /etc/chom/redis/password"
SMALL = {"settings.redis": {"queue_memory_mb": 16, "cache_memory_mb": 16}}


def ask(lab: Lab, instance: Instance, words: str, app: str = "") -> str:
    """What Redis says to its administrator, or to an application."""
    # What Laravel reads, whatever its value.
    cached = f"/var/www/{app}/current/bootstrap/cache/config.php"
    php = f"""php -r "echo (require '{cached}')['database']['redis']['default']['password'];" """
    return answer(
        lab,
        MACHINE,
        f'REDISCLI_AUTH="$({php if app else SHOWN})" redis-cli -s {instance.socket}'
        f" --user {app or 'chom'} --no-auth-warning {words} 2>&1",
    )


@pytest.fixture(scope="module")
def data(platform: Platform) -> Iterator[Platform]:
    """The platform with a row, a job, a session and something in the cache."""
    platform.settle()
    lab = platform.lab
    answer(
        lab, MACHINE, "mariadb laravel -e 'create table kept (id int); insert into kept values (7)'"
    )
    assert ask(lab, QUEUE, "rpush laravel:queues:default job", "laravel") == "1"
    assert ask(lab, QUEUE, "set laravel:session tea", "laravel") == "OK"
    yield platform
    ask(lab, QUEUE, "del laravel:queues:default laravel:session laravel:full")
    answer(lab, MACHINE, "mariadb laravel -e 'drop table kept'")


def fill(lab: Lab, instance: Instance) -> None:
    """Write until there is no more room: 30 MB in 16."""
    for batch in range(6):
        script = f"for i=1,5000 do redis.call('set','laravel:fill{batch}-'..i,('x'):rep(1000)) end"
        ask(lab, instance, f'eval "{script}" 0')


def kept(lab: Lab) -> tuple[str, str, str]:
    """The row, the job and the session."""
    return (
        answer(lab, MACHINE, "mariadb -NBe 'select id from laravel.kept'"),
        ask(lab, QUEUE, "lrange laravel:queues:default 0 -1"),
        ask(lab, QUEUE, "get laravel:session"),
    )


def test_data_survive_a_deployment_that_restarts_what_holds_them(data: Platform) -> None:
    data.converge({"settings.mariadb": {"max_connections": 90}, **SMALL})
    assert kept(data.lab) == ("7", "job", "tea")


def test_data_survive_a_kill(data: Platform) -> None:
    kill = "systemctl kill -s KILL laravel-redis-queue mariadb"
    answer(data.lab, MACHINE, f"sleep 1.1; {kill}; sleep 2")
    answer(
        data.lab,
        MACHINE,
        "timeout 60 sh -c 'until mariadb-admin ping && systemctl -q is-active laravel-redis-queue;"
        " do sleep 1; done'",
    )
    assert kept(data.lab) == ("7", "job", "tea")


def test_a_full_cache_drops_its_own_and_touches_no_job(data: Platform) -> None:
    data.converge(SMALL)
    lab = data.lab
    assert ask(lab, CACHE, "set laravel:first x", "laravel") == "OK"
    fill(lab, CACHE)
    assert ask(lab, CACHE, "set laravel:last x", "laravel") == "OK"
    evicted = ask(lab, CACHE, "info stats | tr -d '\\r' | sed -n 's/^evicted_keys://p'")
    assert int(evicted) > 0
    assert kept(lab) == ("7", "job", "tea")


def test_full_memory_for_jobs_refuses_new_ones_and_drops_none(data: Platform) -> None:
    lab = data.lab
    fill(lab, QUEUE)
    said = ask(lab, QUEUE, "rpush laravel:queues:default more", "laravel")
    assert said.startswith("OOM command not allowed")
    script = "for _,k in ipairs(redis.call('keys','laravel:fill*')) do redis.call('del',k) end"
    ask(lab, QUEUE, f'eval "{script}" 0')
    assert kept(lab) == ("7", "job", "tea")


def test_an_application_does_with_its_own_redis_what_it_likes_but_configure_it(
    data: Platform,
) -> None:
    lab = data.lab
    # By names that Horizon and Reverb have by default, too.
    assert ask(lab, QUEUE, "set horizon:a x", "laravel") == "OK"
    assert ask(lab, QUEUE, "publish reverb x", "laravel") == "0"
    assert ask(lab, QUEUE, "keys 'horizon:*'", "laravel") == "horizon:a"
    assert ask(lab, QUEUE, "del horizon:a", "laravel") == "1"
    for words in ("config get maxmemory", "acl list", "shutdown", "replicaof 127.0.0.1 1",
                  "monitor", "module list"):  # fmt: skip
        assert "NOPERM" in ask(lab, QUEUE, words, "laravel")
    assert ask(lab, CACHE, "flushdb", "laravel") == "OK"  # artisan cache:clear
    assert kept(lab) == ("7", "job", "tea")


def test_nobody_gets_in_without_a_password(data: Platform) -> None:
    for instance in (QUEUE, CACHE):
        said = answer(data.lab, MACHINE, f"redis-cli -s {instance.socket} ping 2>&1")
        assert said.startswith("NOAUTH")
    remote = "mariadb -h 127.0.0.1 --skip-ssl -uroot -e 'select 1' 2>&1 || true"
    assert re.match("ERROR (1045|1130|1698) ", answer(data.lab, MACHINE, remote))


def test_what_lets_strangers_in_is_taken_away(data: Platform) -> None:
    lab = data.lab
    answer(
        lab,
        MACHINE,
        "mariadb -e \"create user ''@'%'; create user root@'%' identified by 'let me in'\"",
    )
    plan = data.project.deploy("--dry")
    assert "database user ''@'%'" in plan.text and "database user 'root'@'%'" in plan.text, plan
    data.converge()
    users = answer(lab, MACHINE, "mariadb -NBe \"select concat(user, '@', host) from mysql.user\"")
    assert "@%" not in users and "root@localhost" in users.split()
    assert kept(lab) == ("7", "job", "tea")


def test_databases_and_grants_of_others_stay(data: Platform) -> None:
    """Somebody made them by hand; the second database belongs to an application's user."""
    lab = data.lab
    answer(
        lab,
        MACHINE,
        'mariadb -e "create database test; create database laravel_reports;'
        " grant all on laravel_reports.* to laravel@localhost;"
        " grant event on laravel.* to laravel@localhost; create user reader@localhost"
        " identified by 'mine'; grant select on laravel.* to reader@localhost\"",
    )
    look = "mariadb -NBe 'show databases; show grants for laravel@localhost;"
    look += " show grants for reader@localhost'"
    before = answer(lab, MACHINE, look)
    try:
        assert changed(data.converge()) == {}
        answer(lab, MACHINE, "mariadb -e 'revoke insert on laravel.* from laravel@localhost'")
        outcome = data.project.deploy("-y")
        assert outcome.code == 0, outcome
        assert answer(lab, MACHINE, look) == before
    finally:
        answer(
            lab,
            MACHINE,
            'mariadb -e "drop database test; drop database laravel_reports;'
            " drop user reader@localhost; revoke all on laravel_reports.* from laravel@localhost;"
            ' revoke event on laravel.* from laravel@localhost"',
        )
    assert kept(lab) == ("7", "job", "tea")


def test_removal_of_a_database_leaves_whoever_uses_another_one(data: Platform) -> None:
    """The statements of a teardown, on a real MariaDB."""
    lab = data.lab
    made = database_sql("two_a", "two", Secret("P", "p")) + database_sql(
        "two_b", "two", Secret("P", "p")
    )
    users = "mariadb -NBe \"select user from mysql.user where user in ('two', 'two_a', 'other')\""
    answer(lab, MACHINE, f"mariadb <<'END'\n{made}\nEND")
    answer(
        lab,
        MACHINE,
        "mariadb -e \"create user two_a@localhost identified by 'mine'; create user"
        " other@localhost identified via unix_socket;"
        ' grant all on two_b.* to other@localhost"',
    )
    try:
        answer(lab, MACHINE, f"mariadb <<'END'\n{removal_sql('two_a')}\nEND")
        assert answer(lab, MACHINE, users).split() == ["other", "two", "two_a"]
        answer(lab, MACHINE, f"mariadb <<'END'\n{removal_sql('two_b')}\nEND")
        assert answer(lab, MACHINE, users).split() == ["other", "two_a"]
        shown = answer(lab, MACHINE, "mariadb -NBe 'show databases'").split()
        assert not {"two_a", "two_b"} & {*shown}
    finally:
        answer(
            lab,
            MACHINE,
            "mariadb -e 'drop database if exists two_a; drop database if exists two_b; drop user if"
            " exists two@localhost, two_a@localhost, other@localhost'",
        )
