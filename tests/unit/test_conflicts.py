"""What was on a target before us, and what becomes of it: found before anything changes."""

import hashlib
from collections.abc import Container
from pathlib import Path
from typing import Any

import pytest
from pyinfra.context import ctx_host, ctx_state

from configs import Target
from configs.findings import Finding
from facts.nginx import Sites
from tasks.component import Declared, Step
from tasks.conflicts import find_conflicts
from tasks.mariadb.component import CONFIG
from tasks.mariadb.preflight import check_mariadb
from tasks.nginx.preflight import check_sites
from tests.unit.helpers import configuration, fake_state
from tests.unit.test_scripts import sh, stub

NOBODY: frozenset[tuple[str, str]] = frozenset()


def asked(check: Any, answers: dict[str, Any]) -> list[Finding]:
    """The findings of a check on a host that answers so."""
    state = fake_state(["web"], answers)
    with ctx_state.use(state), ctx_host.use(state.inventory.get_host("@fake/web")):
        return list(check())


# What a stack declares


def conflicts(
    declared: list[tuple[str, str]],
    *,
    exist: list[str] | None = None,
    active: list[str] | None = None,
    rules: list[str] | None = None,
    owned: Container[tuple[str, str]] = NOBODY,
    adopted: Any = (),
) -> list[Finding]:
    creates = tuple((kind, name, "c") for kind, name in declared)
    steps = [Step("c", (), "true", operations=[Declared("hash", "label", creates)])]
    answers = {
        "is-active": active or [],
        "/etc/ufw/user.rules": [f"### tuple ### {each}" for each in rules or []],
        "set -- ": exist or [],
    }
    return asked(lambda: find_conflicts(steps, owned, adopted), answers)


SHOP = ("databases", "shop")
UNIT = ("services", "php8.4-fpm.service")


@pytest.mark.parametrize(
    ("declared", "there", "found", "remedy"),
    [
        (SHOP, {"exist": ["databases=shop"]}, "a database shop", "dump it and drop it"),
        (
            SHOP,
            {"exist": ["database_users=shop"]},
            "a database user shop",
            "rename user shop@localhost",
        ),
        (
            ("artifacts", "/opt/x"),
            {"exist": ["artifacts=/opt/x"]},
            "a folder /opt/x",
            "mv /opt/x /opt/x.before",
        ),
        (UNIT, {"active": [UNIT[1]]}, f"a service {UNIT[1]}", f"disable --now {UNIT[1]}"),
    ],
)
def test_what_would_be_taken_over_is_refused(
    declared: tuple[str, str], there: dict[str, Any], found: str, remedy: str
) -> None:
    (finding,) = conflicts([declared], **there)
    assert finding.found == f"{found} that no deploy made" and not finding.warning
    assert remedy in finding.remedy and "python -m state sync" in finding.remedy


def test_all_of_them_are_named() -> None:
    there: dict[str, Any] = {
        "exist": ["databases=shop", "database_users=shop"],
        "active": [UNIT[1]],
    }
    found = conflicts([SHOP, UNIT], **there)
    checks = ["database shop", f"service {UNIT[1]}", "database user shop"]
    assert [each.check for each in found] == checks


@pytest.mark.parametrize(
    ("declared", "owned"),
    [
        (SHOP, {SHOP}),
        (UNIT, {UNIT}),
        # It was there before, and became a part of the platform.
        (UNIT, {("files", f"/etc/systemd/system/{UNIT[1]}.d/chom.conf")}),
        # Known as a folder by an earlier version.
        (("artifacts", "/opt/x"), {("directories", "/opt/x")}),
    ],
)
def test_what_is_ours_is_not_even_asked_for(
    declared: tuple[str, str], owned: set[tuple[str, str]]
) -> None:
    there = ["databases=shop", "database_users=shop", "artifacts=/opt/x"]
    assert conflicts([declared], exist=there, active=[UNIT[1]], owned=owned) == []


@pytest.mark.parametrize(
    ("declared", "exist"),
    [
        (SHOP, ["databases=shop", "database_users=shop", "data=/etc/chom/mariadb/shop.cnf"]),
        (UNIT, [f"data=/etc/systemd/system/{UNIT[1]}.d/chom.conf"]),
        (("artifacts", "/opt/x"), ["artifacts=/opt/x", "data=/opt/x/.sha256"]),
        (("database_users", "reader"), ["database_users=reader", "data=/etc/chom/reader.cnf"]),
    ],
)
def test_what_an_earlier_deploy_made_is_ours_also_without_its_record(
    declared: tuple[str, str], exist: list[str]
) -> None:
    assert conflicts([declared], exist=exist, active=[UNIT[1]]) == []


def test_folders_of_applications_are_checked_with_their_names() -> None:
    base = ("artifacts", "/var/www/shop/releases")
    assert conflicts([base], exist=[f"{base[0]}={base[1]}"]) == []


def test_what_is_handed_over_is_not_refused() -> None:
    there = ["databases=shop", "database_users=shop"]
    assert conflicts([SHOP], exist=there, adopted=[SHOP]) == []


def test_services_that_every_debian_has_are_none_of_somebody() -> None:
    units = ["nginx.service", "unattended-upgrades.service"]
    assert conflicts([("services", each) for each in units], active=units) == []


def test_files_and_folders_that_are_there_are_kept_elsewhere() -> None:
    declared = [("files", "/etc/x"), ("directories", "/etc/y"), ("data", "/var/lib/mysql")]
    there = [f"{kind}={name}" for kind, name in declared]
    assert conflicts(declared, exist=there) == []


def test_a_firewall_that_denies_it_is_refused() -> None:
    rule = ("firewall_rules", "ufw allow 80/tcp")
    (finding,) = conflicts([rule], rules=["deny tcp 80 0.0.0.0/0 any 0.0.0.0/0 in"], owned={rule})
    assert finding.found == "a rule of ufw that denies what ufw allow 80/tcp is to admit"
    assert finding.remedy.endswith("ufw delete deny from 0.0.0.0/0 to any port 80 proto tcp")
    assert conflicts([rule], rules=["limit tcp 80 0.0.0.0/0 any 0.0.0.0/0 in"]) == []


# Nginx

SITE = "server {{ listen {}; }}\n"


def sites(tmp_path: Path, files: dict[str, str], debian: str = "") -> list[str]:
    """The fact's answer, by its own command, about these files of a folder of Nginx's."""
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    conffiles = stub(tmp_path, {"dpkg-query": f"echo ' {debian}'"})
    done = sh(str(Sites().command(str(tmp_path))), PATH=conffiles)
    return [each.removeprefix(f"{tmp_path}/") for each in done.stdout.splitlines()]


def test_files_that_open_a_port_are_sites(tmp_path: Path) -> None:
    files = {
        "nginx.conf": "http {\n  include x;\n  # listen 80;\n}\n",
        "conf.d/my blog.conf": SITE.format("80"),
        "conf.d/zones.conf": "limit_req_zone $x zone=listen:1m rate=1r/s;\n",
        "sites-available/off": SITE.format("80"),
        "sites-enabled/shop": "server {\n\tlisten [::]:443 ssl; # mine\n}\n",
    }
    assert sites(tmp_path, files) == ["conf.d/my blog.conf", "sites-enabled/shop"]


def test_files_that_begin_as_ours_are_ours(tmp_path: Path) -> None:
    own = "# written by chom; changes are overwritten\n"
    files = {"nginx.conf": own, "sites-enabled/apps.conf": own + SITE.format("80"),
             "sites-enabled/blog": SITE.format("80")}  # fmt: skip
    assert sites(tmp_path, files) == ["ours", "sites-enabled/blog"]


def test_a_site_in_the_main_configuration_is_one(tmp_path: Path) -> None:
    assert sites(tmp_path, {"nginx.conf": f"http {{ {SITE.format('80')} }}"}) == ["nginx.conf"]


def test_the_example_of_debian_is_none_unless_it_was_changed(tmp_path: Path) -> None:
    text = SITE.format("80 default_server")
    example = tmp_path / "sites-available/default"
    debian = f"{example} {hashlib.md5(text.encode()).hexdigest()}"
    files = {"sites-available/default": text}
    (tmp_path / "sites-enabled").mkdir()
    (tmp_path / "sites-enabled/default").symlink_to("../sites-available/default")
    assert sites(tmp_path, files, debian) == []
    changed = {"sites-available/default": f"{text}# mine\n"}
    assert sites(tmp_path, changed, debian) == ["sites-enabled/default"]


def test_without_nginx_there_are_none(tmp_path: Path) -> None:
    done = sh(str(Sites().command(str(tmp_path / "nginx"))))
    assert (done.returncode, done.stdout) == (0, "")


BLOG, DEFAULT = "/etc/nginx/conf.d/blog.conf", "/etc/nginx/sites-enabled/default"
NGINX = ("files", "/etc/nginx/nginx.conf")


@pytest.mark.parametrize(
    ("owned", "refused"),
    [
        (NOBODY, [BLOG, DEFAULT]),
        ({("files", BLOG)}, [DEFAULT]),
        # Ours serves sites-enabled, but removes the default one.
        ({NGINX}, [DEFAULT]),
        ({("originals", NGINX[1])}, [DEFAULT]),
    ],
)
def test_sites_of_somebody_else_are_refused(
    owned: Container[tuple[str, str]], refused: list[str]
) -> None:
    (finding,) = asked(lambda: check_sites(owned), {"/etc/nginx": [BLOG, DEFAULT]})
    assert finding.found == f"sites that no deploy made: {', '.join(refused)}"
    assert not finding.warning and "move them to another server" in finding.remedy


def test_once_ours_is_there_others_may_stay_in_sites_enabled() -> None:
    blog = "/etc/nginx/sites-enabled/blog"
    assert asked(lambda: check_sites(NOBODY), {"/etc/nginx": ["ours", blog]}) == []


def test_no_site_of_somebody_else_is_no_problem() -> None:
    assert asked(lambda: check_sites(NOBODY), {"/etc/nginx": []}) == []


# MariaDB

PACKAGE, SET_UP = ("packages", "mariadb-server"), ("files", CONFIG)


@pytest.fixture
def server(tmp_path: Path) -> Target:
    return configuration(tmp_path).targets["vpsmanager"]


def mariadb(
    target: Target,
    said: list[str],
    owned: Container[tuple[str, str]] = NOBODY,
    holds: list[str] | None = None,
) -> list[Finding]:
    answers = {"bind_address": said, "from mysql.global_priv": holds or []}
    return asked(lambda: check_mariadb(target, owned), answers)


DENIED = "refused/ERROR 1045 (28000): Access denied for user 'root'@'localhost'"
SERVES = ["listens/127.0.0.1", "database/blog", "database/test"]


@pytest.mark.parametrize("owned", [NOBODY, {PACKAGE}, {SET_UP}])
def test_root_that_needs_a_password_is_refused(
    server: Target, owned: Container[tuple[str, str]]
) -> None:
    (finding,) = mariadb(server, [DENIED], owned)
    assert finding.found.startswith("root does not get in by the socket: ERROR 1045")
    assert "identified via unix_socket or mysql_native_password" in finding.remedy
    assert not finding.warning


def test_another_error_is_one_of_a_mariadb_that_is_not_ours(server: Target) -> None:
    (finding,) = mariadb(server, ["refused/ERROR 2002 (HY000): Can't connect"])
    assert "ERROR 2002" in finding.found
    # Ours may only just start.
    assert mariadb(server, ["refused/ERROR 2002 (HY000): Can't connect"], {PACKAGE}) == []


def test_one_that_does_not_run_is_refused(server: Target) -> None:
    (finding,) = mariadb(server, ["stopped"])
    assert "what it holds is not known" in finding.found and "start mariadb" in finding.remedy
    assert mariadb(server, ["stopped"], {PACKAGE}) == mariadb(server, ["stopped"], {SET_UP}) == []


@pytest.mark.parametrize("address", ["0.0.0.0", "*", "::", "127.0.0.1,10.9.0.21"])
def test_one_that_serves_other_computers_is_refused(server: Target, address: str) -> None:
    (finding,) = mariadb(server, [f"listens/{address}", "database/blog"])
    assert "a MariaDB that no deploy made listens at" in finding.found and not finding.warning


def test_one_that_was_there_is_told_with_its_databases_once(server: Target) -> None:
    (finding,) = mariadb(server, SERVES)
    assert finding.warning and "(databases: blog, test)" in finding.found
    assert "stay as they are" in finding.remedy
    assert mariadb(server, SERVES, {SET_UP}) == mariadb(server, SERVES, {PACKAGE}) == []
    # No record tells of the deploy that set it up.
    assert mariadb(server, ["set_up", *SERVES]) == mariadb(server, ["set_up", "stopped"]) == []
    assert mariadb(server, ["set_up"]) == []


def test_strangers_of_one_that_is_not_ours_are_told_and_left_alone(server: Target) -> None:
    holds = ["anonymous/localhost", "open/test", "root_password"]
    found = mariadb(server, SERVES, {SET_UP}, holds)
    assert all(each.warning and "lets strangers in" in each.found for each in found)
    assert [each.remedy.split('"')[1] for each in found] == [
        "drop user ''@'localhost'; flush privileges",
        "delete from mysql.db where user = '' and db = 'test'; flush privileges",
    ]
    assert mariadb(server, SERVES, {PACKAGE}, holds) == []


def test_a_server_without_applications_has_no_mariadb(tmp_path: Path) -> None:
    target = configuration(tmp_path).targets["observability"]
    assert mariadb(target, [DENIED]) == []
