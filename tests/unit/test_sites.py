"""Several applications behind one Nginx: who is shown what."""

import re
from functools import cache
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import pytest

from tasks.laravel.component import SOURCE
from tests.unit.hosting import SITES, THREE, declared, location, server, servers

TWO = "apps: {shop: {domain: shop.org}, blog: {domain: blog.org}}"
ONE_FOR_ALL = "apps: {shop: {domain: _}, blog: {domain: blog.org}}"
SELFSIGNED = "tls: {mode: selfsigned}"
CLIENTS = "/etc/nginx/sites-enabled/clients.conf"
DOTS = r"(?s)./\.|^/\.(?!well-known/)"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sites")


@cache
def sites(folder: Path, settings: str) -> str:
    return declared(folder, settings)[1][SITES]


def answering_by_default(text: str, listen: str) -> list[str]:
    """The names of the servers that are shown to who asks for a name of nobody."""
    marked = re.compile(rf"^    listen {re.escape(listen)}\b.* default_server;", re.M)
    found = [re.search(r"server_name (.*);", each) for each in servers(text) if marked.search(each)]
    return [each[1] for each in found if each]


@pytest.mark.parametrize(
    ("apps", "name"),
    [("", "_"), ("apps: {shop: {domain: shop.org}}", "shop.org"), (ONE_FOR_ALL, "_"), (TWO, "_"),
     (THREE, "_")],
    ids=["own page", "one", "one for all", "two", "three"],
)  # fmt: skip
@pytest.mark.parametrize("tls", ["", SELFSIGNED])
def test_there_is_one_default_server(folder: Path, apps: str, name: str, tls: str) -> None:
    text = sites(folder, ", ".join(each for each in (tls, apps) if each))
    # Plain HTTP leads to HTTPS under names that are known; the default server knows none.
    for port, default in (("80", "_"), ("443", name)) if tls else (("80", name),):
        assert answering_by_default(text, port) == [default]
        assert answering_by_default(text, f"[::]:{port}") == [default]


def test_nobodys_name_is_answered_by_no_application(folder: Path) -> None:
    block = server(sites(folder, TWO), "_")
    assert "return 404;" in location(block, "/")
    assert "fastcgi_pass" not in block and "root" not in block


def test_nobodys_name_is_answered_by_who_answers_to_all(folder: Path) -> None:
    text = sites(folder, ONE_FOR_ALL)
    assert "fastcgi_pass unix:/run/chom-php/shop-8.4.sock;" in server(text, "_")
    assert len(servers(text)) == 2


def test_a_challenge_is_answered_for_every_name(folder: Path) -> None:
    names = "tls: {mode: letsencrypt, email: a@b.org}, portal: {server_name: p.org}"
    text = sites(folder, f"{names}, {TWO}")
    for name in ("shop.org", "blog.org", "_"):
        assert "/.well-known/acme-challenge/" in server(text, name, 80)
        assert "ssl_certificate " in server(text, name, 443)


@pytest.mark.parametrize(
    ("apps", "redirected"),
    [
        ("", {"10.9.0.21"}),
        ("apps: {shop: {domain: shop.org}}", {"shop.org", "10.9.0.21"}),
        (ONE_FOR_ALL, {"10.9.0.21", "blog.org"}),
        (TWO, {"shop.org", "blog.org"}),
    ],
    ids=["own page", "one", "one for all", "two"],
)
def test_only_known_names_are_redirected(folder: Path, apps: str, redirected: set[str]) -> None:
    text = sites(folder, ", ".join(each for each in (SELFSIGNED, apps) if each))
    plain = [each for each in servers(text) if re.search(r"^    listen 80\b", each, flags=re.M)]
    found = [each for each in plain if "return 308" in each]
    names = [re.findall(r"server_name (.*);", each)[0].split() for each in found]
    assert {name for each in names for name in each} == redirected
    assert not any("default_server" in each for each in found)
    [default] = [each for each in plain if each not in found]
    assert location(default, "/").strip() == "return 404;"


def test_each_application_is_served_by_its_own_php_and_files(folder: Path) -> None:
    text = sites(folder, THREE)
    for name, app, socket in (
        ("shop.org", "shop", "shop-8.4"),
        ("www.org", "shop", "shop-8.4"),
        ("blog.org", "blog", "blog-8.3"),
        ("page.org", "own_page", "own_page-8.4"),
    ):
        block = server(text, name)
        assert f"root /var/www/{app}/${app}_release/public;" in block
        assert re.findall(r"fastcgi_pass unix:(\S+);", block) == [f"/run/chom-php/{socket}.sock"]


def test_names_of_variables_and_zones_are_each_ones_own(folder: Path) -> None:
    text = sites(folder, THREE)
    made = re.findall(r"^map .* (\$\w+) \{", text, flags=re.M)
    zones = re.findall(r"^limit_req_zone .* zone=(\w+):", text, flags=re.M)
    assert len(made) == len(set(made)) == 6
    assert zones == ["shop_login", "blog_login", "own_page_login"]
    used = set(re.findall(r"\$\w+_(?:release|tries)\b", text)) - {"$http_x_chom_release"}
    assert used == set(made)
    # "requests" is that of all sites.
    assert set(re.findall(r"limit_req zone=(\w+) ", text)) <= {*zones, "requests"}


def test_a_candidate_is_shown_to_this_machine_alone(folder: Path) -> None:
    text = sites(folder, THREE)
    maps = re.findall(r'^map "([^"]*)" \$(\w+)_release \{\n(.*?)\n\}', text, flags=re.M | re.S)
    assert [app for _, app, _ in maps] == ["shop", "blog", "own_page"]
    for asked, _, body in maps:
        assert asked == "$remote_addr $http_x_chom_release"
        assert [line.strip() for line in body.splitlines()] == [
            "default current;",
            '"127.0.0.1 candidate" candidate;',
        ]


def test_passwords_are_not_tried_without_end(folder: Path) -> None:
    block = server(sites(folder, THREE), "shop.org")
    login = location(block, "~ ^/login/*$")
    assert "limit_req zone=shop_login burst=5 nodelay;" in login
    # A file of that name is not looked for: it would be shown.
    assert 'try_files "" /index.php?$query_string;' in login


def test_looking_at_a_form_counts_for_nothing(folder: Path) -> None:
    text = sites(folder, THREE)
    tries = re.search(r"map \$request_method \$shop_tries \{(.*?)\}", text, flags=re.S)
    assert tries and [line.split() for line in tries[1].strip().splitlines()] == [
        ["default", '"";'],
        ["POST", "$client;"],
    ]
    assert "limit_req_zone $shop_tries zone=shop_login:1m rate=10r/m;" in text


def test_every_page_that_takes_passwords_is_limited(folder: Path) -> None:
    paths = "login_paths: [/wp-login.php, /admin/login]"
    block = server(sites(folder, f"apps: {{blog: {{{paths}}}}}"), "_")
    for pattern, asked in (
        ("^/wp-login[.]php/*$", "/wp-login.php"),
        ("^/admin/login/*$", "/admin/login/"),
    ):
        assert "limit_req zone=blog_login" in location(block, f"~ {pattern}")
        assert re.fullmatch(pattern, asked)
    assert not re.fullmatch("^/wp-login[.]php/*$", "/wp-loginxphp")


def test_there_is_no_way_around_by_the_name_of_a_file(folder: Path) -> None:
    for name in ("shop.org", "blog.org"):
        block = server(sites(folder, THREE), name)
        assert "return 404;" in location(block, "^~ /index.php/")
        assert "internal;" in location(block, "= /index.php")
        assert location(block, f"~ {DOTS}").strip() == "return 404;"


@pytest.mark.parametrize(
    "path", ["/.env", "/.hidden/a.js", "/a/.git/x", "/.well-known", "/.well-knownx/a", "/a\n/.x",
             "/a/.well-known/x", "/.well-known/.git/a", "/.WELL-KNOWN/a"]
)  # fmt: skip
def test_dot_paths_are_refused(path: str) -> None:
    assert re.search(DOTS, path)


@pytest.mark.parametrize("path", ["/", "/a.b/c.js", "/.well-known/security.txt", "/a./b", "/a..b"])
def test_other_paths_are_not(path: str) -> None:
    assert not re.search(DOTS, path)


@pytest.mark.parametrize(
    "path", ["/a.php", "/a/b.PHP", "/a.pHtMl", "/x.phar", "/a.php~", "/a.php.bak", "/a.inc",
             "/a.php.1", "/a.php/b", "/a.php5", "/a.php_old", "/build/assets/a.php", "/.php"]
)  # fmt: skip
def test_source_is_recognised(path: str) -> None:
    assert re.search(SOURCE, path, re.I)


@pytest.mark.parametrize(
    "path", ["/a", "/php", "/a.phpx", "/a.php.html", "/incl", "/a.income", "/php/a.js", "/a.png"]
)
def test_what_is_no_source_is_not(path: str) -> None:
    assert not re.search(SOURCE, path, re.I)


def test_source_and_dots_come_before_files(folder: Path) -> None:
    """Nginx takes the first pattern that matches, and a prefix with ^~ before any pattern."""
    block = server(sites(folder, THREE), "shop.org")
    heads = re.findall(r"^    location (.+) \{$", block, flags=re.M)
    patterns = [head for head in heads if head.startswith("~")]
    assert patterns[0] == f"~ {DOTS}"
    assert patterns.index(f"~* {SOURCE}") < patterns.index("~ ^/build/assets/")
    assert [head for head in heads if head.startswith("^~")] == ["^~ /index.php/"]


def test_maintenance_is_shown_to_visitors_and_not_to_probes(folder: Path) -> None:
    block = server(sites(folder, THREE), "blog.org")
    assert location(block, "/").strip() == "return 503;"
    assert "try_files $uri /index.php?$query_string;" in location(block, "= /health")
    page = location(block, "@maintenance")
    assert "Retry-After 300" in page and "no-store" in page and "return 503" in page
    # Whoever sets one header in a block loses those of the blocks around it.
    assert page.count("add_header X-") == 2 and "Referrer-Policy" in page
    assert "limit_req zone=blog" not in block and "/build/assets/" not in block
    assert location(block, f"~ {DOTS}").strip() == "return 404;"


def test_no_other_application_is_in_maintenance(folder: Path) -> None:
    assert "503" not in server(sites(folder, THREE), "shop.org")


def test_what_never_changes_is_kept_by_browsers(folder: Path) -> None:
    block = server(sites(folder, THREE), "shop.org")
    assert "expires 1y;" in location(block, "~ ^/build/assets/")
    assert "try_files $uri =404;" in location(block, "~ ^/build/assets/")
    pattern = re.search(r"location (~\* \\\.\(css.*\)\$) \{", block)
    assert pattern and "expires 7d;" in location(block, pattern[1])
    matched = re.compile(pattern[1].removeprefix("~* "), re.I)
    for path in ("/css/app.css", "/a.JPG", "/a.jpeg", "/f.woff2", "/f.woff"):
        assert matched.search(path), path
    for path in ("/", "/css", "/app.css/x", "/a.php", "/data.json"):
        assert not matched.search(path), path


def test_php_never_mixes_two_releases(folder: Path) -> None:
    php = location(server(sites(folder, THREE), "shop.org"), "= /index.php")
    assert "SCRIPT_FILENAME $realpath_root/index.php;" in php
    assert "DOCUMENT_ROOT $realpath_root;" in php


def test_one_client_has_a_share_of_the_connections(folder: Path) -> None:
    texts = declared(folder, "nginx: {connections_per_client: 99, worker_connections: 500}")[1]
    nginx = texts["/etc/nginx/nginx.conf"]
    assert "worker_rlimit_nofile 1000;" in nginx
    clients = texts[CLIENTS]
    assert "limit_conn connections 99;" in clients
    assert re.findall(r"limit_(?:conn|req)_zone (\S+)", clients) == ["$client", "$client"]
    rules = texts["/etc/chom/connections.nft"]
    assert rules.count("ct count over 99 } reject with tcp reset") == 2
    assert "ip6 saddr & ffff:ffff:ffff:ffff:: ct count" in rules


def test_an_ipv6_client_is_a_network_of_64_bits(folder: Path) -> None:
    clients = declared(folder, "")[1][CLIENTS]
    mapping = re.search(r'map \$binary_remote_addr \$client \{.*?"~(.*?)" \$1;', clients, re.S)
    assert mapping
    network = re.compile(mapping[1].encode())
    first, second, elsewhere = (
        IPv6Address(text).packed for text in ("2001:db8::1", "2001:db8::a:b:c:d", "2001:db8:0:1::1")
    )
    found = [match and match[1] for match in map(network.search, (first, second, elsewhere))]
    assert found[0] == found[1] == first[:8] and found[2] == elsewhere[:8]
    # Line breaks are bytes like any others.
    assert network.search(b"\n" * 16)
    assert not network.search(IPv4Address("192.0.2.1").packed)
