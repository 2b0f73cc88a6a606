"""Three applications on two PHP versions: each has what is its own, and nothing of another's."""

import json
import re
from base64 import b64encode
from typing import Any

import pytest

from tests.e2e.machines import answer, listeners, properties
from tests.e2e.platform import Platform
from tests.e2e.polling import wait_for
from tests.e2e.project import changed
from tests.e2e.shop import DOMAIN, MACHINE, ROOT, Shop

BLOG = "blog.chom.test"
NAME = 'Tea & "Co" $HOME #1'
STRIPE = "sk_live_'quoted\"$(id)"


@pytest.fixture(scope="module")
def shop(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A page of our own, a shop on PHP 8.2 and a blog on PHP 8.4, deployed."""
    platform.settle()
    found = Shop(platform, tmp_path_factory.mktemp("apps") / "shop")
    platform.project.set_secrets({"SHOP_STRIPE_SECRET": STRIPE})
    deploy(found)
    return found


def three(shop: Shop, **more: Any) -> dict[str, Any]:
    """The changes of the inventory for all three; ``more`` is said of the shop."""
    own = {
        **shop.settings,
        "php": "8.2",
        "workers": {"count": 2},
        "scheduler": True,
        "environment": {"MAIL_FROM_NAME": NAME},
        "secrets": ["STRIPE_SECRET"],
    }
    return {
        "settings.php": {"versions": ["8.4", "8.2"]},
        "settings.apps": {
            "laravel": {},
            "shop": {**own, **more},
            "blog": {"path": str(shop.folder), "domain": f"{BLOG} www.{BLOG}"},
        },
    }


def deploy(shop: Shop, **more: Any) -> dict[tuple[str, str], int]:
    """Deploy all three; what changed."""
    shop.platform.unsettle()
    outcome = shop.platform.project.deploy("-y", "--limit", MACHINE, changes=three(shop, **more))
    assert outcome.code == 0, outcome
    return changed(shop.platform.project.record())


def origin_of(policy: str) -> str:
    """The URL that the installed version comes from, of what ``apt-cache policy`` prints."""
    _, _, installed = policy.partition(" *** ")
    return str(re.findall(r"^ +\d+ (\S+)", installed, re.MULTILINE)[0])


def test_each_serves_its_page_by_its_names(shop: Shop) -> None:
    for name in (BLOG, f"www.{BLOG}", DOMAIN):
        status, body = shop.ask("/", host=name)
        assert (status, "Welcome to the shop" in body) == (200, True)
    assert "<h1>laravel</h1>" in shop.ask("/", host="anything.else")[1]
    assert "Welcome" not in shop.ask("/", host="anything.else")[1]


def test_two_real_versions_of_php_serve_at_once(shop: Shop) -> None:
    versions = {
        name: json.loads(shop.ask("/version", host=name)[1])["php"] for name in (DOMAIN, BLOG)
    }
    assert versions[DOMAIN].startswith("8.2.") and versions[BLOG].startswith("8.4.")
    assert answer(shop.platform.lab, MACHINE, "php -r 'echo PHP_VERSION;'").startswith("8.4.")
    for version in ("8.2", "8.4"):
        unit = properties(shop.platform.lab, MACHINE, f"php{version}-fpm", "ActiveState")
        assert unit == {"ActiveState": "active"}
        said = answer(shop.platform.lab, MACHINE, f"php-fpm{version} -i | grep -i expose_php")
        assert said == "expose_php => Off => Off"


def test_what_the_inventory_and_the_secrets_say_arrives(shop: Shop) -> None:
    env = "/var/www/shop/shared/.env"
    assert json.loads(shop.ask("/version")[1])["mail"] == NAME
    read = "Dotenv\\Dotenv::createArrayBacked('/var/www/shop/shared')->load()"
    code = f"require '/usr/share/php/Illuminate/autoload.php'; echo {read}['STRIPE_SECRET'];"
    packed = b64encode(f"<?php {code}".encode()).decode()
    said = answer(shop.platform.lab, MACHINE, f"echo {packed} | base64 -d | php")
    assert said == STRIPE
    assert answer(shop.platform.lab, MACHINE, f"stat -c '%U:%G %a' {env}") == "root:shop 640"


def test_one_cannot_read_what_is_anothers(shop: Shop) -> None:
    lab = shop.platform.lab
    for path in ("shared/.env", "current/config/app.php", "current/bootstrap/cache/config.php"):
        said = answer(lab, MACHINE, f"runuser -u blog -- cat /var/www/shop/{path} 2>&1 || true")
        assert said.endswith("Permission denied")
    assert answer(
        lab, MACHINE, "runuser -u blog -- mariadb shop -e 'select 1' 2>&1 || true"
    ).startswith("ERROR 1044")
    owner = answer(lab, MACHINE, "runuser -u blog -- mariadb -NBe 'show grants'")
    assert "ALL PRIVILEGES" not in owner and "`blog`.*" in owner and "`shop`" not in owner


def test_the_release_is_read_only_for_the_one_who_runs_it(shop: Shop) -> None:
    said = answer(
        shop.platform.lab,
        MACHINE,
        "runuser -u shop -- touch /var/www/shop/current/public/x.php 2>&1 || true",
    )
    assert said.endswith("Permission denied")
    writable = answer(
        shop.platform.lab,
        MACHINE,
        "find /var/www/shop/releases/*/ ! -type l \\( ! -user root -o -perm /022 \\) | head",
    )
    assert writable == ""


def test_composer_left_out_what_is_for_development(shop: Shop) -> None:
    assert answer(shop.platform.lab, MACHINE, "ls /var/www/shop/current/vendor/chom") == "greeting"


def test_sessions_and_cache_are_in_redis(shop: Shop) -> None:
    jar = "-c /tmp/jar -b /tmp/jar"
    assert [json.loads(shop.ask("/visits", jar)[1])["visits"] for _ in range(3)] == [1, 2, 3]
    answer(shop.platform.lab, MACHINE, "rm /tmp/jar")
    values = {shop.ask("/cached")[1] for _ in range(3)}
    assert len(values) == 1


def test_a_queued_job_is_worked_off_and_the_scheduler_runs(shop: Shop) -> None:
    before = json.loads(shop.ask("/orders")[1])
    assert shop.ask("/orders", "-X POST")[0] == 201
    wanted = {each: count + 1 for each, count in before.items()}
    wait_for("the job", lambda: json.loads(shop.ask("/orders")[1]) == wanted)
    wait_for("the scheduler", lambda: shop.report()["tick"] is not None, limit_s=75)
    wait_for("a task in the background", lambda: shop.report()["background"] is not None)


@pytest.mark.drill
def test_a_task_that_takes_minutes_delays_no_other(shop: Shop) -> None:
    lab, flag = shop.platform.lab, f"{ROOT}/shared/storage/app/long"
    answer(lab, MACHINE, f"runuser -u shop -- touch {flag}")
    try:
        wait_for("the long task", lambda: "long --sleep" in answer(lab, MACHINE, "ps -eo args"), 75)
        ticks = {shop.report()["tick"]}
        while shop.report()["long"] is None:
            ticks.add(shop.report()["tick"])
            assert answer(lab, MACHINE, "systemctl is-failed shop-scheduler || true") != "failed"
    finally:
        answer(lab, MACHINE, f"rm -f {flag}")
    assert len(ticks) >= 3


def test_a_scheduler_that_fails_is_a_failed_unit(shop: Shop) -> None:
    lab = shop.platform.lab
    artisan = f"{ROOT}/current/artisan"
    start = "systemctl start shop-scheduler.service"
    finished = (
        "! systemctl list-units -q --state=activating,active 'shop-schedule-run@*' | grep -q ."
    )
    answer(lab, MACHINE, f"cp -a {artisan} /root/artisan && echo '<?php exit(3);' > {artisan}")
    try:
        answer(lab, MACHINE, f"{start}; until {finished}; do sleep 0.2; done")
        assert "exit" in answer(
            lab, MACHINE, f"{start} 2>&1; systemctl show -P Result shop-scheduler"
        )
    finally:
        answer(lab, MACHINE, f"cp -a /root/artisan {artisan}; rm /root/artisan")
    answer(lab, MACHINE, f"until {finished}; do sleep 0.2; done; {start} || true")
    answer(lab, MACHINE, f"until {finished}; do sleep 0.2; done; {start}")


def test_units_are_confined_and_limited(shop: Shop) -> None:
    found = properties(
        shop.platform.lab,
        MACHINE,
        "shop-worker-2",
        *("ActiveState", "User", "MemoryMax", "Restart", "ProtectSystem", "NoNewPrivileges"),
    )
    assert found == {
        "ActiveState": "active",
        "User": "shop",
        "MemoryMax": str(192 * 1024 * 1024),
        "Restart": "always",
        "ProtectSystem": "strict",
        "NoNewPrivileges": "yes",
    }


def test_logging_in_is_limited_for_each_visitor(shop: Shop) -> None:
    tries = [shop.ask("/login", "-X POST")[0] for _ in range(9)]
    assert tries[:6] == [401] * 6 and set(tries[6:]) == {429}
    assert shop.ask("/login/", "-X POST")[0] == 429
    assert shop.ask("/login")[0] == 200
    assert shop.ask("/index.php/login", "-X POST")[0] == 404
    assert shop.ask("/login", "-X POST", host=BLOG)[0] == 401


def test_static_files_are_cached_by_visitors(shop: Shop) -> None:
    def lifetime(path: str) -> str:
        said = shop.ask(path, "-o /dev/null -D -")[1]
        return "".join(re.findall(r"Cache-Control: max-age=(\d+)", said))

    assert lifetime("/build/assets/app-abc123.js") == str(365 * 86400)
    assert lifetime("/css/app.css") == str(7 * 86400)
    assert shop.ask("/build/assets/gone.js")[0] == 404
    assert shop.ask("/.env")[0] == 404


def test_a_candidate_is_shown_to_nobody_else(shop: Shop) -> None:
    status = shop.ask("/version", "-H 'X-Chom-Release: candidate'")[0]
    assert status == 404  # there is none, and this machine may ask
    address = shop.platform.address(MACHINE)
    said = answer(
        shop.platform.lab,
        "observability",
        f"curl -sS -o /dev/null -w '%{{http_code}}' -H 'Host: {DOMAIN}'"
        f" -H 'X-Chom-Release: candidate' http://{address}/version",
    )
    assert said == "200"


def test_prometheus_is_told_of_each(shop: Shop) -> None:
    def told() -> str:
        return answer(
            shop.platform.lab, MACHINE, "cat /var/lib/chom/metrics/applications.prom || true"
        )

    wanted = [
        'laravel_workers{app="shop"} 2',
        'laravel_failed_jobs{app="shop"} 0',
        'laravel_queue_jobs{app="blog",queue="default",state="ready"} 0',
        f'laravel_release_info{{app="shop",release="{shop.serves()}"',
    ]
    wait_for("the metrics", lambda: all(each in told() for each in wanted), limit_s=40)


def test_only_nginx_and_the_exporters_are_reached_from_outside(shop: Shop) -> None:
    assert listeners(shop.platform.lab, MACHINE, 3306) <= {"127.0.0.1", "[::1]"}
    assert "redis-server" not in answer(shop.platform.lab, MACHINE, "ss -Hltunp")


def test_a_second_run_changes_nothing_and_releases_nothing(shop: Shop) -> None:
    before = shop.releases()
    assert deploy(shop) == {}
    assert shop.releases() == before


def test_maintenance_is_told_to_visitors_and_pauses_workers_and_scheduler(shop: Shop) -> None:
    lab = shop.platform.lab
    active = "systemctl list-units -q --plain --no-legend --state=active 'shop-worker*' 'shop-sch*'"
    components = {component for _, component in deploy(shop, maintenance=True)}
    assert components == {"laravel", "nginx", "releases", "workers"}
    status, body = shop.ask("/", "-D -")
    assert status == 503 and "Retry-After: 300" in body and "Maintenance" in body
    assert shop.ask("/up")[0] == 200
    assert shop.ask("/", host=BLOG)[0] == 200
    assert answer(lab, MACHINE, active) == ""
    shop.artisan("shop:enqueue 5")
    assert deploy(shop, maintenance=True) == {}
    assert shop.report()["ready"] == 5
    deploy(shop)
    assert shop.ask("/")[0] == 200
    wait_for("the jobs", lambda: shop.report()["ready"] == 0)
    assert "shop-scheduler.timer" in answer(lab, MACHINE, active)
