"""What several applications of one target get: pools, settings, secrets, units, logs, metrics."""

import json
import re
from collections.abc import Iterator
from configparser import ConfigParser
from pathlib import Path
from typing import Any

import pytest
import yaml

from configs.secrets import Secret
from tasks.log_shipper.sources import sources
from tasks.prometheus.jobs import jobs
from tasks.releases.host.app import App
from tasks.templating import templates
from tests.unit import decoders
from tests.unit.hosting import THREE, Texts, declared, labels
from tests.unit.test_stacks import Declaration

POOL = "/etc/php/8.4/fpm/pool.d/chom-shop.conf"
UNITS = "/etc/systemd/system"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hosting")


@pytest.fixture(scope="module")
def made(folder: Path) -> tuple[Declaration, Texts]:
    return declared(folder, THREE)


@pytest.fixture(scope="module")
def texts(made: tuple[Declaration, Texts]) -> Texts:
    return made[1]


@pytest.fixture(scope="module")
def secrets(made: tuple[Declaration, Texts]) -> dict[str, Secret]:
    return dict(made[0].site.secrets)


def pool(text: str) -> dict[str, str]:
    """The settings of the one pool of a file."""
    parser = ConfigParser(interpolation=None, delimiters=["="])
    parser.read_string(text)
    [common, name] = parser.sections()
    assert common == "global"
    return dict(parser[name])


def unit(text: str) -> ConfigParser:
    parser = ConfigParser(interpolation=None, strict=False, delimiters=["="])
    parser.optionxform = str  # type: ignore[assignment]
    parser.read_string(text)
    return parser


def env(text: str) -> dict[str, Any]:
    """What Laravel's env() makes of a .env."""
    lines = [line.split("=", 1) for line in text.splitlines() if not line.startswith("#")]
    # A bare word is one of Laravel's own.
    words = {"true": True, "false": False, "null": None}
    return {
        name: words[value] if value in words else decoders.laravel_env(value)
        for name, value in lines
    }


# Pools


def test_every_pool_is_one_that_php_fpm_takes() -> None:
    template = templates.get_template("php/pool.conf.j2")
    names = [
        *("name", "socket", "status_path", "status_socket", "log", "slow_log", "slow_s"),
        *("sessions", "opcache_mb"),
    ]
    for children in (*range(1, 300), 4096):
        found = pool(template.render(children=children, **dict.fromkeys(names, "x")))
        most, start, least_spare, most_spare = (
            int(found[f"pm.{each}"])
            for each in ("max_children", "start_servers", "min_spare_servers", "max_spare_servers")
        )
        assert most == children
        assert 1 <= least_spare <= start <= most_spare <= most, children


@pytest.mark.parametrize(
    ("apps", "children"),
    [
        ("apps: {shop: }", [12]),
        ("apps: {shop: , blog: {domain: b.org}, wiki: {domain: c.org}}", [4, 4, 4]),
        ("apps: {shop: {children: 30}, blog: {domain: b.org}}", [30, 6]),
        ("php: {children: 20}, apps: {shop: , blog: {domain: b.org}}", [10, 10]),
        ("php: {children: 1}, apps: {shop: , blog: {domain: b.org}}", [2, 2]),
    ],
)
def test_applications_share_the_memory(folder: Path, apps: str, children: list[int]) -> None:
    _, texts = declared(folder, apps)
    pools = [text for path, text in texts.items() if path.startswith("/etc/chom/php/")]
    assert [int(pool(text)["pm.max_children"]) for text in pools] == children


def test_each_pool_is_of_its_user_and_its_php(texts: Texts) -> None:
    for version, name in (("8.4", "shop"), ("8.3", "blog"), ("8.4", "own_page")):
        found = pool(texts[f"/etc/chom/php/{name}-{version}.conf"])
        # systemd starts it as its user, and makes the socket for Nginx.
        assert "user" not in found and "listen.owner" not in found
        assert found["listen"] == f"/run/chom-php/{name}-{version}.sock"
        service = texts[f"/etc/systemd/system/{name}-php{version}.service.d/chom.conf"].splitlines()
        assert {f"User={name}", f"Group={name}", f"BindReadOnlyPaths=/var/www/{name}"} <= {*service}
        assert f"ReadWritePaths=-/var/www/{name}/shared/storage" in service
        started = unit(texts[f"/etc/systemd/system/{name}-php{version}.service"])["Service"]
        sockets = started["Environment"].removeprefix("FPM_SOCKETS=").split(",")
        assert [each.rpartition("=")[2] for each in sockets] == ["3", "4"]
        opened = texts[f"/etc/systemd/system/{name}-php{version}.socket"]
        listens = re.findall("^ListenStream=(.+)$", opened, re.MULTILINE)
        assert [each.rpartition("=")[0] for each in sockets] == listens
        assert "SocketUser=www-data" in opened and "SocketMode=0600" in opened


def test_every_version_has_its_packages_and_service(made: tuple[Declaration, Texts]) -> None:
    declaration, texts = made
    installed = {
        name for step in declaration.steps for each in step.operations
        for kind, name, _ in each.creates if kind == "packages"
    }  # fmt: skip
    for version in ("8.3", "8.4"):
        assert {f"php{version}-fpm", f"php{version}-cli", f"php{version}-redis"} <= installed
        assert f"Service php{version}-fpm" in labels(declaration, "php_leftovers")
        assert f"/etc/php/{version}/fpm/conf.d/90-chom.ini" in texts
    assert "php is PHP 8.4" in labels(declaration, "php")


# What stands in .env


def test_what_laravel_reads(texts: Texts, secrets: dict[str, Secret]) -> None:
    found = env(texts["/var/www/shop/shared/.env"])
    assert (found["APP_ENV"], found["APP_DEBUG"]) == ("production", False)
    assert found["APP_URL"] == "http://shop.org"
    assert found["SESSION_SECURE_COOKIE"] is False
    assert (found["DB_DATABASE"], found["DB_USERNAME"]) == ("shop", "shop")
    assert (found["REDIS_USERNAME"], found["REDIS_PREFIX"]) == ("shop", "shop:")
    assert found["REDIS_HOST"] == "/run/chom-redis/shop-queue/redis.sock"
    assert found["REDIS_CACHE_HOST"] == "/run/chom-redis/shop-cache/redis.sock"
    assert (found["REDIS_PORT"], found["REDIS_CACHE_PORT"]) == ("0", "0")
    for name in ("APP_KEY", "DB_PASSWORD", "REDIS_PASSWORD", "STRIPE_SECRET"):
        assert found[name] == secrets[f"SHOP_{name}"].reveal()


def test_what_the_inventory_says_is_as_it_was_written(texts: Texts) -> None:
    found = env(texts["/var/www/shop/shared/.env"])
    assert (found["FEATURE"], found["MOTD"]) == (True, "hello $USER")


def test_by_https_cookies_are_for_it_alone(folder: Path) -> None:
    _, texts = declared(folder, f"tls: {{mode: selfsigned}}, {THREE}")
    found = env(texts["/var/www/shop/shared/.env"])
    assert (found["SESSION_SECURE_COOKIE"], found["APP_URL"]) == (True, "https://shop.org")


def test_what_the_inventory_says_goes_before_what_we_would(folder: Path) -> None:
    said = "environment: {LOG_CHANNEL: stack, APP_ENV: staging}"
    _, texts = declared(folder, f"apps: {{shop: {{{said}}}}}")
    found = env(texts["/var/www/shop/shared/.env"])
    assert (found["LOG_CHANNEL"], found["APP_ENV"]) == ("stack", "staging")


def test_secrets_are_in_secret_files_alone(made: tuple[Declaration, Texts]) -> None:
    declaration, texts = made
    places = {
        name: {path for path, text in texts.items() if secret.reveal() in text}
        for name, secret in declaration.site.secrets.items()
        if name.startswith(("SHOP_", "BLOG_", "OWN_PAGE_"))
    }
    for app in ("shop", "blog", "own_page"):
        own, prefix = f"/var/www/{app}/shared/.env", app.upper()
        assert places.pop(f"{prefix}_APP_KEY") == {own}
        assert places.pop(f"{prefix}_REDIS_PASSWORD") == {own}
        assert places.pop(f"{prefix}_DB_PASSWORD") == {own, f"/etc/chom/mariadb/{app}.cnf"}
    # What only the operator knows has one value here, which is quoted in .env.
    assert set(places) == {"SHOP_STRIPE_SECRET", "SHOP_DEPLOY_KEY"}
    assert {path for path, text in texts.items() if "know it" in text} == {
        "/var/www/shop/shared/.env",
        "/etc/chom/apps/shop.key",
    }


def test_no_application_has_a_secret_of_another(secrets: dict[str, Secret]) -> None:
    values = [each.reveal() for name, each in secrets.items() if name.endswith("_PASSWORD")]
    assert len(values) == len(set(values)) > 6


# Releases


def described(texts: Texts, folder: Path) -> Iterator[App]:
    for name in ("shop", "blog", "own_page"):
        path = f"/etc/chom/apps/{name}.json"
        (folder / Path(path).name).write_text(texts[path])
        yield App.read(name, folder)


def test_the_program_reads_what_was_described(texts: Texts, tmp_path: Path) -> None:
    shop, blog, page = described(texts, tmp_path)
    assert (shop.repository, shop.revision) == ("git@github.com:acme/shop.git", None)
    assert shop.deploy_key == "/etc/chom/apps/shop.key"
    assert shop.workers == ("shop-worker-1.service", "shop-worker-2.service")
    assert shop.queues == ("high", "low") and shop.base == Path("/var/www/shop")
    assert (blog.php, blog.fpm) == ("/usr/bin/php8.3", "blog-php8.3.service")
    assert (shop.url, blog.url) == ("http://shop.org/up", "http://blog.org/health")
    for handed_over in (blog, page):
        assert handed_over.repository is None and handed_over.deploy_key is None
        assert handed_over.revision and re.fullmatch("[0-9a-f]{64}", handed_over.revision)
    assert len({each.revision for each in (blog, page)}) == 2


def test_every_application_is_released_and_none_waits_for_another(
    made: tuple[Declaration, Texts],
) -> None:
    [step] = [each for each in made[0].steps if each.component == "releases"]
    alone = [each.label for each in step.operations if each.alone]
    assert alone == [f"Release of {name}" for name in ("shop", "blog", "own_page")]
    assert step.report.endswith("tell $app; done") and "in shop blog own_page;" in step.report


def test_git_servers_are_known_by_their_keys(texts: Texts) -> None:
    lines = texts["/etc/chom/apps/known_hosts"].splitlines()[1:]
    assert [line.split()[:2] for line in lines] == [
        [server, "ssh-ed25519"] for server in ("github.com", "gitlab.com", "bitbucket.org")
    ]


def test_a_deploy_key_ends_with_a_line_end(texts: Texts) -> None:
    assert texts["/etc/chom/apps/shop.key"].endswith("\n")


def test_debians_laravel_is_for_our_own_page_alone(folder: Path) -> None:
    for apps, wanted in (
        ("apps: {shop: {repository: 'https://github.com/a/b'}}", False),
        ("apps: {shop: }", True),
    ):
        declaration, _ = declared(folder, apps)
        [step] = [each for each in declaration.steps if each.component == "laravel"]
        packages = {name for each in declaration.steps[0].operations for _, name, _ in each.creates}
        assert ("php-laravel-framework" in packages) == wanted
        assert ("php-laravel-framework" in step.version) == wanted
        assert ("git" in packages) == (not wanted)
        assert "logrotate" not in step.version


# Workers


def test_a_worker_is_a_unit_each(texts: Texts) -> None:
    for number in (1, 2):
        service = unit(texts[f"{UNITS}/shop-worker-{number}.service"])["Service"]
        assert service["User"] == service["Group"] == "shop"
        assert service["WorkingDirectory"] == "/var/www/shop/current"
        assert service["ExecStart"].startswith("/usr/bin/php8.4 artisan queue:work ")
        words = set(service["ExecStart"].split())
        assert {"--queue=high,low", "--tries=3", "--timeout=90", "--memory=200"} <= words
        assert service["MemoryMax"] == "300M"
        assert int(service["TimeoutStopSec"]) > 90
        assert service["KillMode"] == "mixed" and service["Restart"] == "always"
    assert f"{UNITS}/shop-worker-3.service" not in texts


def test_a_worker_runs_the_release_that_serves(texts: Texts) -> None:
    drop_in = texts[f"{UNITS}/shop-worker-1.service.d/chom.conf"]
    [stamp] = [line for line in drop_in.splitlines() if line.startswith("ExecStartPre")]
    assert "/var/www/shop/current/.release" in stamp


def test_a_worker_writes_to_its_storage_alone(texts: Texts) -> None:
    service = unit(texts[f"{UNITS}/shop-worker-1.service"])["Service"]
    assert service["ProtectSystem"] == "strict" and service["NoNewPrivileges"] == "yes"
    assert service["ReadWritePaths"].strip("-") == "/var/www/shop/shared/storage"


def test_the_scheduler_runs_every_minute(texts: Texts) -> None:
    starter = unit(texts[f"{UNITS}/shop-scheduler.service"])["Service"]
    assert starter["Type"] == "oneshot" and starter["ProtectSystem"] == "strict"
    assert (
        "systemctl start --no-block shop-schedule-run@$$(date +%%s).service" in starter["ExecStart"]
    )
    timer = unit(texts[f"{UNITS}/shop-scheduler.timer"])
    assert timer["Timer"]["OnCalendar"] == "*-*-* *:*:00"
    assert timer["Install"]["WantedBy"] == "timers.target"


def test_scheduled_tasks_of_a_minute_wait_for_no_others(texts: Texts) -> None:
    service = unit(texts[f"{UNITS}/shop-schedule-run@.service"])["Service"]
    assert (service["Type"], service["User"]) == ("exec", "shop")
    assert service["ExecStart"].startswith("/usr/bin/php8.4 artisan schedule:run")
    assert service["ExitType"] == "cgroup" and service["KillSignal"] == "SIGCONT"
    assert int(service["TimeoutStopSec"]) > 90
    limits = unit(texts[f"{UNITS}/{service['Slice']}"])["Slice"]
    assert (service["MemoryMax"], limits["MemoryMax"]) == ("300M", "1200M")


def test_who_wants_no_workers_has_none(made: tuple[Declaration, Texts]) -> None:
    declaration, texts = made
    ours = [path for path in texts if "-worker-" in path or "schedule" in path]
    names = {re.split("[-_]", Path(path).name)[0] for path in ours if ".d/" not in path}
    assert names == {"shop"}
    assert labels(declaration, "workers")[0] == "No other units of applications"


def test_our_units_are_known_by_their_first_line(texts: Texts) -> None:
    ours = [
        p for p in texts if re.search("/shop[-_]", p) and p.startswith(UNITS) and ".d/" not in p
    ]
    ours = [path for path in ours if "/shop-php" not in path and "/shop-redis" not in path]
    firsts = {texts[path].splitlines()[0] for path in ours}
    assert len(ours) == 6 and len(firsts) == 1


# What is seen of them


def test_prometheus_is_told_of_each_application(folder: Path) -> None:
    declaration, texts = declared(folder, THREE, "observability")
    found = jobs(declaration.site)
    assert [(each.labels["app"], each.address) for each in found["blackbox"].targets] == [
        ("shop", "http://shop.org/up"),
        ("blog", "http://blog.org/health"),
        ("own_page", "http://page.org/up"),
    ]
    scraped = yaml.safe_load(texts["/etc/prometheus-server/targets/vpsmanager.yml"])
    pools = [each["labels"] for each in scraped if each["labels"]["job"] == "php-fpm"]
    assert [(each["app"], each["__metrics_path__"]) for each in pools] == [
        (name, f"/metrics/{name}") for name in ("shop", "blog", "own_page")
    ]


def test_each_pools_metrics_are_at_a_place_of_its_own(texts: Texts) -> None:
    site = texts["/etc/nginx/sites-enabled/phpfpm_exporter.conf"]
    found = re.findall(r"location = (\S+) \{.*?fastcgi_pass unix:(\S+);", site, flags=re.S)
    assert found == [
        ("/metrics/shop", "/run/chom-php/shop-8.4-status.sock"),
        ("/metrics/blog", "/run/chom-php/blog-8.3-status.sock"),
        ("/metrics/own_page", "/run/chom-php/own_page-8.4-status.sock"),
    ]
    for name, version in (("shop", "8.4"), ("blog", "8.3")):
        told = pool(texts[f"/etc/chom/php/{name}-{version}.conf"])
        assert told["pm.status_listen"] == f"/run/chom-php/{name}-{version}-status.sock"


def test_logs_have_names_of_their_own(made: tuple[Declaration, Texts]) -> None:
    found = sources(made[0].site)
    names = [each.name for each in found]
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"[a-z]\w*", name) for name in names)
    assert {(each.labels["app"], each.files) for each in found if each.job == "laravel"} == {
        (name, f"/var/www/{name}/shared/storage/logs/laravel*.log")
        for name in ("shop", "blog", "own_page")
    }
    assert {each.labels["php"] for each in found if each.job == "php-fpm"} == {"8.3", "8.4"}


def test_what_rotates_logs_is_each_ones_own(texts: Texts) -> None:
    rotated = [
        line.split()[0] for path, text in texts.items() if path.startswith("/etc/logrotate.d/")
        for line in text.splitlines() if line.endswith("{")
    ]  # fmt: skip
    assert len(rotated) == len(set(rotated))
    assert {f"/var/log/chom/{name}/php.log" for name in ("shop", "blog", "own_page")} <= {*rotated}


def test_each_application_is_proven_to_serve(made: tuple[Declaration, Texts]) -> None:
    assert labels(made[0], "serving") == [
        f"{name} serves its page" for name in ("shop", "blog", "own_page")
    ]


def test_the_descriptions_are_json_without_a_secret(
    texts: Texts, secrets: dict[str, Secret]
) -> None:
    for name in ("shop", "blog", "own_page"):
        text = texts[f"/etc/chom/apps/{name}.json"]
        assert json.loads(text)["name"] == name
        assert not [each for each in secrets.values() if each.reveal() in text]
