"""Attacks of one application, in which somebody runs code, on its server and on the others."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.e2e.machines import answer, properties
from tests.e2e.platform import Platform
from tests.e2e.polling import wait_for
from tests.e2e.shop import DOMAIN, MACHINE, ROOT, Shop

BLOG = "blog.chom.test"
STORAGE = f"{ROOT}/shared/storage"
SHELL = f"{STORAGE}/app/shell.php"
VERSION = "8.4"
# What a web shell is: a file of the application's own user, which its PHP executes. Nginx's user
# alone may ask PHP-FPM.
FASTCGI = """
import socket, struct, sys
path, script = sys.argv[1:3]
names = {"REQUEST_METHOD": "GET", "SCRIPT_FILENAME": script, "SCRIPT_NAME": "/x.php"}
def record(kind, content):
    return struct.pack("!BBHHBx", 1, kind, 1, len(content), 0) + content
def pair(name, value):
    return struct.pack("!BB", len(name), len(value)) + (name + value).encode()
asked = record(1, struct.pack("!HB5x", 1, 0))
asked += record(4, b"".join(pair(*each) for each in names.items()))
asked += record(4, b"") + record(5, b"")
client = socket.socket(socket.AF_UNIX)
client.connect(path)
client.sendall(asked)
client.settimeout(60)
whole = b""
while part := client.recv(65536):
    whole += part
said = b""
while whole:
    _, kind, _, length, padding = struct.unpack("!BBHHBx", whole[:8])
    said += whole[8:8 + length] if kind == 6 else b""
    whole = whole[8 + length + padding:]
print(said.decode(errors="replace").partition("\\r\\n\\r\\n")[2])
"""


@pytest.fixture(scope="module")
def shop(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A shop and a blog on one PHP, and two pages whose names are alike; all deployed."""
    platform.settle()
    found = Shop(platform, tmp_path_factory.mktemp("apart") / "shop")
    platform.unsettle()
    outcome = deploy(found)
    assert outcome.code == 0, outcome
    # The blog's settings are cached, as a visitor's request does it.
    assert found.ask("/", host=BLOG)[0] == 200
    return found


def deploy(shop: Shop, **more: Any) -> Any:
    """Deploy all four applications, and ``more``; what came of it."""
    shop.platform.unsettle()
    changes = {
        "settings.apps": {
            "laravel": {},
            "shop": {**shop.settings, "workers": {"count": 1}, "scheduler": True},
            "blog": {"path": str(shop.folder), "domain": BLOG},
            "client_1": {"domain": "one.chom.test"},
            "client11": {"domain": "eleven.chom.test"},
            **more,
        }
    }
    return shop.platform.project.deploy("-y", "--limit", MACHINE, changes=changes)


def php(shop: Shop, code: str, app: str = "shop") -> str:
    """What PHP code prints that somebody runs in an application, as a request."""
    lab = shop.platform.lab
    script = SHELL.replace("/shop/", f"/{app}/")
    lab.run(MACHINE, f"runuser -u {app} -- tee {script}", input=f"<?php {code}\n")
    lab.run(MACHINE, "tee /run/fastcgi.py", input=FASTCGI)
    # What was executed under this name before is in the application's OPcache.
    answer(lab, MACHINE, f"systemctl reload {app}-php{VERSION}")
    socket = f"/run/chom-php/{app}-{VERSION}.sock"
    command = f"runuser -u www-data -- python3 /run/fastcgi.py {socket} {script}"
    return answer(lab, MACHINE, command)


def test_code_in_an_application_runs_as_its_user_alone(shop: Shop) -> None:
    assert php(shop, "echo shell_exec('id -un; id -Gn');").split() == [
        "shop", "shop", "_shop-redis"
    ]  # fmt: skip
    masters = answer(shop.platform.lab, MACHINE, "ps -eo user,args | grep [p]hp-fpm")
    users = {line.split()[0] for line in masters.splitlines()}
    assert users == {"laravel", "shop", "blog", "client_1", "client11"}


def test_it_sees_no_other_application(shop: Shop) -> None:
    seen = php(shop, "echo implode(' ', scandir('/var/www'));")
    assert seen.split() == [".", "..", "shop"]
    secrets = "/var/www/blog/current/bootstrap/cache/config.php"
    assert php(shop, f"echo json_encode(@include '{secrets}');") == "false"
    assert answer(shop.platform.lab, MACHINE, f"grep -c APP_KEY {secrets} || true") != ""


def test_its_opcache_holds_no_script_of_another(shop: Shop) -> None:
    assert php(shop, "echo json_encode(@opcache_get_status());") == "false"
    said = php(shop, "echo json_encode(ini_get('opcache.validate_permission'));")
    assert said == '"1"'
    masters = properties(shop.platform.lab, MACHINE, f"blog-php{VERSION}", "MainPID", "User")
    mine = properties(shop.platform.lab, MACHINE, f"shop-php{VERSION}", "MainPID", "User")
    assert masters["MainPID"] != mine["MainPID"] and masters["User"] == "blog"


def test_it_changes_nothing_that_its_site_serves(shop: Shop) -> None:
    current = answer(shop.platform.lab, MACHINE, f"readlink -f {ROOT}/current")
    tries = [
        f"chmod('{current}', 0777)",
        f"file_put_contents('{current}/public/x.html', 'defaced')",
        f"rename('{current}', '{current}x')",
        f"rename('{ROOT}/releases', '{ROOT}/mine')",
        f"symlink('/tmp', '{ROOT}/current2')",
        f"file_put_contents('{current}/bootstrap/cache/config.php', 'x')",
        f"chmod('{ROOT}/shared/.env', 0666)",
        "opcache_reset()",
    ]
    code = " ".join(f"echo json_encode(@{each});" for each in tries)
    assert php(shop, code) == "false" * len(tries)
    # The same outside of the sandbox, should it have found a way.
    outside = f"chmod 777 {current}; mv {current} {current}x; mv {ROOT}/releases {ROOT}/mine"
    said = answer(shop.platform.lab, MACHINE, f"runuser -u shop -- sh -c '{outside}' 2>&1 || true")
    assert len(said.splitlines()) == 3 and "denied" in said and "not permitted" in said


def test_it_writes_to_its_storage_alone(shop: Shop) -> None:
    found = json.loads(
        php(
            shop,
            "foreach (['/tmp', '/var/tmp', '/dev/shm', '/run', '/var/log/chom/shop', '/etc',"
            " '/var/cache/chom/shop', '/var/lib', '/usr/local/bin', '/home', '/srv',"
            f" '{STORAGE}/app', '{ROOT}'] as $folder)"
            " { $put = @file_put_contents(\"$folder/canary\", 'x'); $all[$folder] = (bool) $put; }"
            " echo json_encode($all);",
        )
    )
    assert {folder for folder, put in found.items() if put} <= {
        "/tmp", "/var/tmp", "/dev/shm", f"{STORAGE}/app"
    }  # fmt: skip
    # What it wrote to /tmp is seen by nobody else.
    assert answer(shop.platform.lab, MACHINE, "ls /tmp /var/tmp | grep -c canary || true") == "0"
    assert php(shop, "echo json_encode(file_exists('/tmp/canary'));", app="blog") == "false"


def test_one_name_is_no_pattern_for_another(shop: Shop) -> None:
    lab = shop.platform.lab
    answer(lab, MACHINE, "mariadb client11 -e 'create table if not exists t (x int)'")
    own = answer(lab, MACHINE, "runuser -u client_1 -- mariadb client_1 -NBe 'select 1'")
    assert own == "1"
    said = answer(
        lab, MACHINE, "runuser -u client_1 -- mariadb client11 -e 'select * from t' 2>&1 || true"
    )
    assert said.startswith("ERROR 1044")


def test_a_grant_of_the_version_before_is_narrowed(shop: Shop) -> None:
    lab = shop.platform.lab
    wide = r"grant all privileges on `client_1`.* to client_1@localhost"
    lab.run(MACHINE, "mariadb", input=f"{wide};\n")
    assert answer(lab, MACHINE, "runuser -u client_1 -- mariadb client11 -NBe 'select 1'") == "1"
    outcome = deploy(shop)
    assert outcome.code == 0, outcome
    said = answer(
        lab, MACHINE, "runuser -u client_1 -- mariadb client11 -NBe 'select 1' 2>&1 || true"
    )
    assert said.startswith("ERROR 1044")


def test_a_query_of_root_runs_no_function_of_an_application(shop: Shop) -> None:
    """Metrics count failed jobs: a view of that name could run code with the asker's rights."""
    lab = shop.platform.lab
    statements = """
drop table if exists failed_jobs;
delimiter //
create or replace function evil() returns int sql security invoker
begin
  insert into seen values (current_user());
  return 1;
end //
delimiter ;
create or replace table seen (who varchar(200));
create or replace sql security invoker view failed_jobs as select evil() as x;
"""
    lab.run(MACHINE, "runuser -u client11 -- mariadb client11", input=statements)
    answer(lab, MACHINE, "systemctl start chom-app-metrics.service")
    asked = "mariadb client11 -NBe 'select distinct who from seen'"
    assert set(answer(lab, MACHINE, asked).split()) == {"client11@localhost"}


@contextmanager
def swapping(shop: Shop, path: str, to: str) -> Iterator[None]:
    """Meanwhile a process of the application puts a link in the place of a folder, at every chance.

    It makes the folder anew now and then, as something waits for it.
    """
    script = (
        f"while :; do rm -rf {path}; ln -s {to} {path}; sleep 0.02;"
        f" rm -f {path}; mkdir -p {path}; sleep 0.02; done"
    )
    run = f"systemd-run -q -u swapping -p User=shop sh -c '{script}'"
    answer(shop.platform.lab, MACHINE, run)
    try:
        yield
    finally:
        answer(shop.platform.lab, MACHINE, "systemctl stop swapping")
        answer(
            shop.platform.lab,
            MACHINE,
            f"runuser -u shop -- sh -c 'rm -rf {path}; mkdir -p {path}'",
        )


def owners(shop: Shop) -> str:
    """Owner and mode of what an attack would like to have."""
    return answer(shop.platform.lab, MACHINE, "stat -c '%n %U:%G %a' /etc /root /etc/cron.d")


@pytest.mark.parametrize(
    "folder",
    [
        "framework/views",
        pytest.param("framework", marks=pytest.mark.drill),
        pytest.param("logs", marks=pytest.mark.drill),
        pytest.param("app", marks=pytest.mark.drill),
    ],
)
def test_root_follows_no_link_below_the_storage(shop: Shop, folder: str) -> None:
    before = owners(shop)
    shop.edit()
    with swapping(shop, f"{STORAGE}/{folder}", "/etc"):
        # The release may fail: the application breaks its own storage meanwhile.
        deploy(shop)
    assert owners(shop) == before
    assert answer(shop.platform.lab, MACHINE, "find /etc -user shop -o -user _shop") == ""
    outcome = deploy(shop)
    assert outcome.code == 0, outcome


def test_a_link_that_the_repository_brings_leads_root_nowhere(shop: Shop) -> None:
    target = f"{STORAGE}/app/mine"
    answer(shop.platform.lab, MACHINE, f"runuser -u shop -- mkdir -p {target}")
    before = answer(shop.platform.lab, MACHINE, f"stat -c '%U:%G %a' {target}")
    cache = shop.folder / "bootstrap/cache"
    kept = [each for each in cache.iterdir()] if cache.is_dir() else []
    texts = {each.name: each.read_bytes() for each in kept}
    for each in kept:
        each.unlink()
    if cache.is_dir():
        cache.rmdir()
    cache.symlink_to("../storage/app/mine")
    try:
        shop.edit()
        outcome = deploy(shop)
    finally:
        cache.unlink()
        cache.mkdir()
        for name, content in texts.items():
            (cache / name).write_bytes(content)
    assert outcome.code == 0, outcome
    lab = shop.platform.lab
    assert answer(lab, MACHINE, f"stat -c '%U:%G %a' {target}") == before
    assert answer(lab, MACHINE, f"ls {target} | wc -l") == "0"
    assert answer(lab, MACHINE, f"stat -c %F {ROOT}/current/bootstrap/cache") == "directory"


def test_code_of_a_repository_builds_in_a_sandbox(shop: Shop) -> None:
    """A script of composer's, as somebody who may commit would write it."""
    composer = shop.folder / "composer.json"
    before = composer.read_text()
    script = (
        "id -un; ls -A /var/www; ls /root 2>&1 | tail -1; cat /etc/chom/redis/password 2>&1;"
        " touch /var/www/shop/shared/storage/app/built /etc/built 2>&1; exit 9"
    )
    changed = json.loads(before)
    changed["scripts"] = {**changed.get("scripts", {}), "post-install-cmd": script}
    composer.write_text(json.dumps(changed))
    try:
        outcome = deploy(shop)
    finally:
        composer.write_text(before)
    assert outcome.code == 1
    text = outcome.text
    assert "_shop" in text and "/etc/chom/redis/password: Permission denied" in text
    assert "'/etc/built': Read-only file system" in text
    lab = shop.platform.lab
    assert answer(lab, MACHINE, f"ls {STORAGE}/app | grep -c built || true") == "0"
    assert answer(lab, MACHINE, "ls /etc/built 2>/dev/null || true") == ""
    assert deploy(shop).code == 0


@pytest.mark.parametrize("name", ["alice", "helpers"])
def test_an_account_that_is_there_is_not_taken_over(shop: Shop, name: str) -> None:
    lab = shop.platform.lab
    made = {
        "alice": "id alice 2>/dev/null || useradd -m -G sudo -s /bin/bash alice",
        "helpers": "getent group helpers || groupadd helpers",
    }
    answer(lab, MACHINE, made[name])
    look = "getent passwd alice; getent group helpers; id -Gn alice 2>/dev/null || true"
    before = answer(lab, MACHINE, look)
    outcome = deploy(shop, **{name: {"domain": f"{name}.chom.test"}})
    assert outcome.code == 1
    assert f"application {name}" in outcome.text and "which no deploy made" in outcome.text
    assert "nothing was changed" in outcome.text
    assert answer(lab, MACHINE, look) == before


def test_a_public_upload_is_served_and_no_other_file_of_the_storage(shop: Shop) -> None:
    write = f"runuser -u shop -- sh -c 'echo hello > {STORAGE}/app/public/p.txt;"
    write += f" echo secret > {STORAGE}/app/private.txt'"
    answer(shop.platform.lab, MACHINE, write)
    status, body = shop.ask("/storage/p.txt")
    assert (status, body.strip()) == (200, "hello")
    assert shop.ask("/storage/../private.txt")[0] in (400, 404)
    denied = answer(
        shop.platform.lab,
        MACHINE,
        f"runuser -u blog -- cat {STORAGE}/app/public/p.txt {STORAGE}/app/private.txt 2>&1 || true",
    )
    assert denied.count("Permission denied") == 2


@pytest.mark.parametrize("secret", ["/var/log/nginx/access.log", "/etc/chom/metrics/htpasswd"])
def test_nginx_shows_nothing_by_a_link_in_the_storage(shop: Shop, secret: str) -> None:
    """It may read the logs of all sites and the hashes of passwords, which no application may."""
    lab, public = shop.platform.lab, f"{STORAGE}/app/public"
    content = answer(lab, MACHINE, f"tail -n 1 {secret}")
    answer(lab, MACHINE, f"runuser -u shop -- ln -sfT {secret} {public}/link.txt")
    answer(lab, MACHINE, f"runuser -u shop -- ln -sfT {secret.rpartition('/')[0]} {public}/folder")
    answer(lab, MACHINE, f"runuser -u shop -- ln -f {public}/p.txt {public}/hard.txt")
    name = secret.rpartition("/")[2]
    for path in ("/storage/link.txt", f"/storage/folder/{name}", "/storage/../storage/link.txt"):
        status, body = shop.ask(path)
        assert status == 404 and content[-40:] not in body, path
    assert shop.ask("/storage/hard.txt")[0] == 200
    # The published folder itself, and the one above.
    for folder in ("app/public", "app"):
        answer(
            lab,
            MACHINE,
            f"runuser -u shop -- sh -c 'mv {STORAGE}/{folder} {STORAGE}/away;"
            f" ln -sT {secret.rpartition('/')[0]} {STORAGE}/{folder}'",
        )
        try:
            status, body = shop.ask(f"/storage/{name}")
            assert status == 404 and content[-40:] not in body
        finally:
            answer(
                lab,
                MACHINE,
                f"runuser -u shop -- sh -c 'rm {STORAGE}/{folder};"
                f" mv {STORAGE}/away {STORAGE}/{folder}'",
            )
    answer(lab, MACHINE, f"runuser -u shop -- rm -f {public}/link.txt {public}/folder")


def test_nginx_shows_nothing_by_a_link_that_a_build_makes(shop: Shop) -> None:
    composer = shop.folder / "composer.json"
    before = composer.read_text()
    changed = json.loads(before)
    links = "ln -s /var/log/nginx public/logs; ln -s /etc/chom/metrics/htpasswd public/hash.css"
    changed["scripts"] = {**changed.get("scripts", {}), "post-install-cmd": links}
    composer.write_text(json.dumps(changed))
    try:
        outcome = deploy(shop)
        assert outcome.code == 1, outcome
        assert "links in public, which Nginx does not follow: public/hash.css" in outcome.text
        for path in ("/logs/access.log", "/hash.css"):
            status, body = shop.ask(path)
            assert status == 404 and "$2b$" not in body and "HTTP/1.1" not in body
    finally:
        composer.write_text(before)
    assert deploy(shop).code == 0


# Invariants of a deployed machine, whatever the examples above try


def test_nobody_but_root_owns_what_root_works_in(shop: Shop) -> None:
    found = answer(
        shop.platform.lab,
        MACHINE,
        "find /var/www /var/cache/chom /var/log/chom /etc/chom /usr/local/lib/chom /var/lib/chom"
        " /var/backups/chom -path '*/shared/storage' -prune -o"
        " \\( -type d ! -user root -o -perm /022 ! -type l \\) -print",
    )
    # The build user's own, in which root makes nothing: no process of that user runs meanwhile.
    of_builds = {f"/var/cache/chom/{app}/{each}" for app in ("shop", "blog", "laravel", "client_1",
                 "client11") for each in ("composer", "storage")}  # fmt: skip
    rest = [
        path
        for path in found.splitlines()
        if not any(path == each or path.startswith(f"{each}/") for each in of_builds)
    ]
    assert rest == []


def test_no_two_applications_can_read_a_common_writable_file(shop: Shop) -> None:
    """Outside of their sandboxes, too: by modes alone."""
    folders = "/var/www /var/cache/chom /var/log/chom /run/chom-redis /var/lib/chom-redis"
    listing = f"find {folders} -readable -writable 2>/dev/null || true"
    seen = {
        user: set(
            answer(shop.platform.lab, MACHINE, f"runuser -u {user} -- sh -c '{listing}'").split(
                "\n"
            )
        )
        for user in ("shop", "blog", "_shop", "_blog")
    }
    both = [
        path
        for user, paths in seen.items()
        for other, theirs in seen.items()
        if user < other
        for path in paths & theirs - {""}
    ]
    assert both == []


def test_units_of_applications_are_walled_off(shop: Shop) -> None:
    lab = shop.platform.lab
    for unit in (
        *(f"shop-php{VERSION}", "shop-worker-1", "shop-scheduler", "shop-schedule-run@1.service"),
        *("shop-redis-queue", "shop-redis-cache", "redis-server", "chom-app-metrics"),
    ):
        said = answer(lab, MACHINE, f"systemd-analyze security --no-pager {unit} | tail -1")
        assert float(said.split(": ")[1].split()[0]) <= 3.0, said
    limits = properties(lab, MACHINE, f"shop-php{VERSION}", "MemoryMax", "TasksMax", "CPUWeight")
    assert "infinity" not in limits.values() and int(limits["TasksMax"]) < 1000


def test_a_release_reloads_no_other_application(shop: Shop) -> None:
    lab = shop.platform.lab
    asked = f"journalctl -u blog-php{VERSION} -o cat | grep -c Reloaded || true"
    before = answer(lab, MACHINE, asked)
    was = answer(lab, MACHINE, "readlink /var/www/client_1/current")
    changed = {"domain": "one.chom.test", "environment": {"COLOUR": "blue"}}
    assert deploy(shop, client_1=changed).code == 0
    assert answer(lab, MACHINE, "readlink /var/www/client_1/current") != was
    assert answer(lab, MACHINE, asked) == before


def test_restarting_php_refuses_no_visitor(shop: Shop) -> None:
    lab = shop.platform.lab
    ask = f"curl -s -o /dev/null -w '%{{http_code}}\\n' -H 'Host: {DOMAIN}' http://127.0.0.1/up"
    loop = f"for i in $(seq 60); do {ask}; done"
    restart = f"( sleep 0.5; systemctl restart shop-php{VERSION} ) &"
    codes = answer(lab, MACHINE, f"{restart} {loop}; wait").split()
    assert codes == ["200"] * 60
    wait_for("PHP", lambda: shop.ask("/up")[0] == 200)


def test_a_second_run_changes_nothing(shop: Shop) -> None:
    assert deploy(shop).code == 0
    outcome = deploy(shop)
    assert outcome.code == 0 and ", 0 changes," in outcome.text
