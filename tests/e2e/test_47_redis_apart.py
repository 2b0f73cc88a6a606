"""Redis of several applications: what one does with its own is nothing to the others."""

import threading
from collections.abc import Callable, Iterator

import pytest

from tasks.redis.instances import Instance, cache, queue
from tests.e2e.machines import answer, properties
from tests.e2e.platform import Platform
from tests.e2e.project import changed
from tests.e2e.shop import MACHINE, Shop

BLOG = "blog.chom.test"
SHARED_PORT = "-p 6379"
APPS = ("laravel", "shop", "blog")
MEMORY = {"settings.redis": {"queue_memory_mb": 48, "cache_memory_mb": 48}}
# The commands of an attacker are those of somebody who has the application's own password.
PASSWORD = (
    """php -r "echo (require '/var/www/{app}/current/bootstrap/cache/config.php')"""
    """['database']['redis']['default']['password'];" """
)
# As earlier versions had it: one Redis for all, in Debian's unit.
SHARED = """
set -e
systemctl stop redis-server
rm -f /etc/systemd/system/redis-server.service.d/chom.conf
install -d -m 2770 -o redis -g redis /etc/redis
hash=$(printf 'of before' | sha256sum | cut -d' ' -f1)
printf 'user %s on #%s %s\\n' chom $hash '~* &* +@all' shop $hash '~shop:*' blog $hash '~blog:*' \
  > /etc/redis/users.acl
printf '%s\\n' 'bind 127.0.0.1' 'port 6379' 'aclfile /etc/redis/users.acl' 'supervised systemd' \
  'dir /var/lib/redis' 'pidfile /run/redis/redis-server.pid' > /etc/redis/redis.conf
chown redis:redis /etc/redis/*
systemctl daemon-reload
systemctl start redis-server shop-redis-queue shop-redis-cache blog-redis-queue blog-redis-cache \
  laravel-redis-queue laravel-redis-cache
"""


@pytest.fixture(scope="module")
def shop(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A shop and a blog beside our own page."""
    platform.settle()
    found = Shop(platform, tmp_path_factory.mktemp("redis") / "shop")
    deploy(found)
    yield found


def deploy(shop: Shop) -> None:
    """Deploy all three, which must succeed."""
    shop.platform.unsettle()
    both = {"shop": shop.settings, "blog": {"path": str(shop.folder), "domain": BLOG}}
    changes = {"settings.apps": {"laravel": {}, **both}, **MEMORY}
    outcome = shop.platform.project.deploy("-y", "--limit", MACHINE, changes=changes)
    assert outcome.code == 0, outcome


def ask(shop: Shop, app: str, instance: Instance, words: str) -> str:
    """What a Redis says to an application's user, who shows its own password."""
    script = f'REDISCLI_AUTH="$({PASSWORD.format(app=app)})" timeout 60 redis-cli'
    script += f" -s {instance.socket} --user {app} --no-auth-warning {words} 2>&1 || :"
    done = shop.platform.lab.run(MACHINE, f"runuser -u {app} -- sh", input=script)
    return done.stdout.strip()


def as_administrator(shop: Shop, words: str, where: str) -> str:
    """What a Redis says to its administrator; the shared one knows another password."""
    shown = 'REDISCLI_AUTH="$(cat /etc/chom/redis/password)"'
    shown = "REDISCLI_AUTH='of before'" if where == SHARED_PORT else shown
    return answer(
        shop.platform.lab,
        MACHINE,
        f"{shown} redis-cli {where} --user chom --no-auth-warning {words}",
    )


@pytest.mark.parametrize("of", [queue, cache])
def test_nobody_reaches_the_redis_of_another(shop: Shop, of: Callable[[str], Instance]) -> None:
    theirs = of("blog")
    assert ask(shop, "shop", of("shop"), "ping") == "PONG"
    said = ask(shop, "shop", theirs, "ping")
    assert "Permission denied" in said and "PONG" not in said
    for path in (theirs.data, theirs.config, theirs.users, theirs.sockets):
        command = f"runuser -u shop -- head -c 1 {path} {path}/* 2>&1 || :"
        said = answer(shop.platform.lab, MACHINE, command)
        assert "Permission denied" in said, said
    # What is built for it does not, either; and nothing listens that all reach.
    said = answer(
        shop.platform.lab,
        MACHINE,
        f"runuser -u _shop -G shop -- redis-cli -s {theirs.socket} ping 2>&1 || :",
    )
    assert "Permission denied" in said
    listening = answer(shop.platform.lab, MACHINE, "ss -Hltnp | grep redis-server || :")
    assert listening == ""


def test_code_in_one_redis_has_nothing_of_another(shop: Shop) -> None:
    """Should somebody break out of its interpreter of Lua."""
    lab = shop.platform.lab
    assert properties(lab, MACHINE, "shop-redis-queue", "User", "PrivateNetwork") == {
        "User": "_shop-redis", "PrivateNetwork": "yes"
    }  # fmt: skip
    kill = "runuser -u _shop-redis -- sh -c 'kill -0 {pid}; cat /proc/{pid}/maps' 2>&1 || :"
    pid = properties(lab, MACHINE, "blog-redis-queue", "MainPID")["MainPID"]
    said = answer(lab, MACHINE, kill.format(pid=pid))
    assert "not permitted" in said and "Permission denied" in said
    for path in ("/etc/chom/redis/blog-queue.conf", "/var/lib/chom-redis/blog-queue",
                 "/run/chom-redis/blog-queue", "/var/www/shop/shared/.env"):  # fmt: skip
        said = answer(lab, MACHINE, f"runuser -u _shop-redis -- head -c 1 {path} 2>&1 || :")
        assert "Permission denied" in said, path


def test_one_that_fills_floods_and_blocks_its_own_disturbs_no_other(shop: Shop) -> None:
    assert ask(shop, "blog", queue("blog"), "set blog:kept tea") == "OK"
    for batch in range(6):
        fill = f"for i=1,5000 do redis.call('set','f{batch}-'..i,('x'):rep(1000)) end"
        ask(shop, "shop", queue("shop"), f'eval "{fill}" 0')
    assert "OOM" in ask(shop, "shop", queue("shop"), "set one more")
    for number in range(2):
        wall = "local n=0 while n < 2e9 do n = n + 1 end return n"
        blocking = threading.Thread(
            target=ask, args=(shop, "shop", (queue, cache)[number]("shop"), f'eval "{wall}" 0')
        )
        blocking.start()
        try:
            assert ask(shop, "blog", queue("blog"), "get blog:kept") == "tea"
            assert shop.ask("/", host=BLOG)[0] == 200
        finally:
            blocking.join()
    assert ask(shop, "shop", queue("shop"), "flushall") == "OK"
    assert ask(shop, "blog", queue("blog"), "get blog:kept") == "tea"
    # Each has its part of what is meant for all.
    assert ask(shop, "shop", queue("shop"), "info memory | grep -o 'maxmemory:[0-9]*'") == (
        f"maxmemory:{48 // len(APPS) * 1024 * 1024}"
    )


def test_its_exporter_is_told_figures_and_no_keys_of_each(shop: Shop) -> None:
    for app in APPS:
        rules = answer(shop.platform.lab, MACHINE, f"grep '^user chom-exporter' {queue(app).users}")
        assert "~" not in rules and "+@" not in rules and "-@all" in rules


def test_keys_of_a_shared_redis_move_to_their_own(shop: Shop) -> None:
    lab, shared = shop.platform.lab, SHARED_PORT
    answer(lab, MACHINE, SHARED)
    for words in ("set shop:session tea ex 5000", "rpush shop:queues:mail j1 j2",
                  "zadd shop:queues:mail:delayed 9999999999 d1", "hset shop:h a 1",
                  "sadd shop:s x", "xadd shop:stream 1-1 a 1", "set blog:session cake",
                  "set gone:session x", "-n 1 set shop:cached y"):  # fmt: skip
        as_administrator(shop, words, shared)
    own = f"-s {queue('shop').socket}"
    for words in ("rpush shop:queues:mail j3", "hset shop:h a 2 b 2", "sadd shop:s y"):
        as_administrator(shop, words, own)
    deploy(shop)
    for words, wanted in {
        "get shop:session": "tea",
        "lrange shop:queues:mail 0 9": "j3\nj1\nj2",
        "zrange shop:queues:mail:delayed 0 9": "d1",
        "hmget shop:h a b": "2\n2",
        "scard shop:s": "2",
        "xlen shop:stream": "1",
        "-n 1 get shop:cached": "y",
        "exists blog:session gone:session": "0",
    }.items():
        assert as_administrator(shop, words, own) == wanted, words
    assert 4000 < int(as_administrator(shop, "ttl shop:session", own)) <= 5000
    assert as_administrator(shop, "get blog:session", f"-s {queue('blog').socket}") == "cake"
    # It has ended; what belongs to nobody any more stays on its disk.
    assert answer(lab, MACHINE, "ss -Hltn 'sport = 6379'; ls /etc/redis/users.acl 2>&1 || :") == (
        "ls: cannot access '/etc/redis/users.acl': No such file or directory"
    )
    assert answer(lab, MACHINE, "grep -c gone:session /var/lib/redis/dump.rdb") == "1"
    deploy(shop)
    assert changed(shop.platform.project.record()) == {}


def test_a_package_that_replaces_redis_restarts_them_all(shop: Shop) -> None:
    lab = shop.platform.lab
    units = [each.unit for app in APPS for each in (queue(app), cache(app))]
    before = [properties(lab, MACHINE, unit, "MainPID") for unit in units]
    # As the package's own script does it.
    answer(lab, MACHINE, "deb-systemd-invoke restart redis-server.service; sleep 1")
    after = [properties(lab, MACHINE, unit, "MainPID") for unit in units]
    assert all(one != other for one, other in zip(before, after, strict=True))
    assert {properties(lab, MACHINE, unit, "ActiveState")["ActiveState"] for unit in units} == {
        "active"
    }
