"""What a stranger can do with no more than a network address."""

import re
import resource
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from tests.e2e.machines import answer, page, scrape
from tests.e2e.platform import Platform
from tests.e2e.shop import DOMAIN, MACHINE, Shop
from tests.lab.shell import run

SECRET = "hunter2"
# In public/, as people and tools leave them there.
SOURCES = (
    "config.php", "sub/deep/Admin.PHP", "a.pHtMl", "tool.phar", "config.php~", "old/config.php.bak",
    "config.inc", "build/assets/evil.php", ".well-known/evil.php", "login",
)  # fmt: skip
HIDDEN = (
    ".hidden/a.js", "a/.svn/x.css", "a/b/.secret", ".env.js", "build/assets/.x/app.js",
    ".well-known/.x/a.txt", "a/.well-known/x.txt",
)  # fmt: skip
CONNECTIONS = 2400
HELD_S = 20
ROUTES = """
Route::get('/.well-known/from-the-application', fn () => 'application');
Route::get('/legacy.php', fn () => 'legacy');
Route::post('/upload', fn () => strlen(request()->getContent()))->withoutMiddleware(['web']);
"""


@pytest.fixture(scope="module")
def shop(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """An application beside our own page, whose public folder holds what nobody should see."""
    platform.settle()
    found = Shop(platform, tmp_path_factory.mktemp("apps") / "shop")
    public = found.folder / "public"
    for name in (*SOURCES[:-1], *HIDDEN):
        (public / name).parent.mkdir(parents=True, exist_ok=True)
        (public / name).write_text(f"<?php $password = '{SECRET}';\n")
    (public / ".well-known" / "security.txt").write_text("Contact: mailto:a@b.org\n")
    with (found.folder / "routes" / "web.php").open("a") as routes:
        routes.write(ROUTES)
    found.deploy()
    return found


@pytest.mark.parametrize("name", SOURCES[:-1])
def test_no_source_code_is_shown(shop: Shop, name: str) -> None:
    for path in (f"/{name}", f"/{name}/", f"/{name}/x", f"//{name}", f"/%2e/{name}"):
        status, body = shop.ask(path, "--path-as-is")
        assert SECRET not in body, path
        assert status == 404, path


@pytest.mark.parametrize("name", HIDDEN)
def test_no_hidden_file_is_shown(shop: Shop, name: str) -> None:
    for path in (f"/{name}", f"/{name.replace('.', '%2e')}"):
        status, body = shop.ask(path, "--path-as-is")
        assert (status, SECRET in body) == (404, False), path


def test_well_known_files_and_routes_are_served(shop: Shop) -> None:
    assert shop.ask("/.well-known/security.txt") == (200, "Contact: mailto:a@b.org\n")
    assert shop.ask("/.well-known/from-the-application") == (200, "application")


def test_a_route_may_be_called_like_a_file(shop: Shop) -> None:
    assert shop.ask("/legacy.php?a=1") == (200, "legacy")
    assert shop.ask("/index.php/legacy.php")[0] == 404


def test_a_slow_upload_arrives(shop: Shop) -> None:
    """It takes longer than a header may, and pauses as a bad line does."""
    address = shop.platform.address(MACHINE)
    with socket.create_connection((address, 80), 60) as connection:
        head = f"POST /upload HTTP/1.0\r\nHost: {DOMAIN}\r\nContent-Length: 500\r\n"
        connection.sendall(f"{head}\r\n".encode())
        for _ in range(5):
            time.sleep(5)
            connection.sendall(b"x" * 100)
        said = b"".join(iter(lambda: connection.recv(4096), b"")).decode()
    assert said.startswith("HTTP/1.1 200 ") and said.rstrip().endswith("500"), said


def test_passwords_are_not_guessed_from_many_addresses_of_one_network(shop: Shop) -> None:
    """Whoever has one IPv6 address has 2^64 of them."""
    with _ipv6(shop.platform) as (address, sources, others):
        said = [_log_in(address, source) for source in sources]
        assert said[:6] == ["401"] * 6 and set(said[6:]) == {"429"}, said
        assert [_log_in(address, source) for source in others] == ["401"] * len(others)


def _log_in(address: str, source: str) -> str:
    return run(
        *(
            "curl",
            "-sS",
            "-m",
            "10",
            "-o",
            "/dev/null",
            "-w",
            "%{http_code}",
            "--interface",
            source,
        ),
        *("-X", "POST", "-H", f"Host: {DOMAIN}", f"http://[{address}]/login"),
    ).stdout


@contextmanager
def _ipv6(platform: Platform) -> Iterator[tuple[str, list[str], list[str]]]:
    """Addresses of one /64 of this computer, and others from neighbouring ones, beside one of the
    machine's.
    """
    bridge = platform.lab.network.bridge
    target, near = "fd00:c43::21", [f"fd00:c43::{number:x}" for number in range(0x100, 0x109)]
    far = ["fd00:c43:0:1::1", "fd00:c43:0:2:1:2:3:4"]
    networks = [address.rsplit(":", 1)[0] for address in far]
    assert len(networks) == len(far)
    answer(platform.lab, MACHINE, f"ip -6 address add {target}/48 dev eth0 nodad")
    for source in (*near, *far):
        run("ip", "-6", "address", "add", f"{source}/48", "dev", bridge, "nodad")
    try:
        yield target, near, far
    finally:
        for source in (*near, *far):
            run("ip", "-6", "address", "delete", f"{source}/48", "dev", bridge)
        answer(platform.lab, MACHINE, f"ip -6 address delete {target}/48 dev eth0")


@pytest.mark.parametrize(
    "kind",
    [
        "body",
        pytest.param("header", marks=pytest.mark.drill),
        pytest.param("nothing", marks=pytest.mark.drill),
    ],
)
@pytest.mark.parametrize(("machine", "path"), [("observability", "/grafana/x"), (MACHINE, "/x")])
def test_one_client_does_not_take_a_server_off_the_air(
    shop: Shop, machine: str, path: str, kind: str
) -> None:
    platform = shop.platform
    other = MACHINE if machine == "observability" else "observability"
    port = 9113 if machine == MACHINE else 9100
    password = platform.project.secrets()[f"METRICS_PASSWORD_{machine.upper()}"]
    with _stalled(platform.address(machine), path, kind):
        deadline = time.monotonic() + HELD_S
        while time.monotonic() < deadline:
            url = f"http://{platform.address(machine)}/"
            code = answer(
                platform.lab, other, f"curl -sS -m 5 -o /dev/null -w '%{{http_code}}' {url} || :"
            )
            assert code == "200"
            assert scrape(platform.lab, machine, port, password) == 200
            for exporter in _behind_nginx(platform, machine):
                assert scrape(platform.lab, machine, exporter, password) in (200, 404)
            time.sleep(1)


@pytest.mark.parametrize("machine", ["observability", MACHINE])
def test_nginx_may_open_a_file_for_each_connection(shop: Shop, machine: str) -> None:
    limits = (
        "for p in $(pgrep -u www-data -x nginx); do grep 'Max open files' /proc/$p/limits; done"
    )
    found = answer(shop.platform.lab, machine, limits).splitlines()
    connections = answer(
        shop.platform.lab,
        machine,
        r"sed -n 's/.*worker_connections \(.*\);/\1/p' /etc/nginx/nginx.conf",
    )
    assert found and int(connections) >= 4096
    assert {int(line.split()[3]) for line in found} == {2 * int(connections)}


def _behind_nginx(platform: Platform, machine: str) -> list[int]:
    """The ports of the exporters that Nginx shows."""
    listed = answer(platform.lab, machine, "ss -Hltnp | grep '\"nginx\"' | awk '{print $4}'")
    ports = {
        int(line.rpartition(":")[2]) for line in listed.splitlines() if "127.0.0.1" not in line
    }
    return sorted(ports - {80, 443, 3101})


@contextmanager
def _stalled(address: str, path: str, kind: str) -> Iterator[None]:
    """Connections from this computer that begin something, and do not go on with it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, CONNECTIONS + 512)), hard))
    head = f"POST {path} HTTP/1.1\r\nHost: {address}\r\n"
    text = {"nothing": "", "header": head, "body": f"{head}Content-Length: 100000\r\n\r\nx"}[kind]
    connections: list[socket.socket] = []
    try:
        for _ in range(CONNECTIONS):
            # One that is refused does no harm. Nginx closes connections on which nothing came yet
            # when it needs others, so the text is sent at once.
            with suppress(OSError):
                connections.append(socket.create_connection((address, 80), 1))
                connections[-1].sendall(text.encode())
        yield
    finally:
        for each in connections:
            each.close()


def test_nobody_is_led_to_a_name_that_is_not_ours(shop: Shop) -> None:
    platform = shop.platform
    platform.unsettle()
    outcome = platform.project.deploy("-y", changes={"settings.tls": {"mode": "selfsigned"}})
    assert outcome.code == 0, outcome
    for machine in ("observability", MACHINE):
        address = platform.address(machine)
        for host in ("evil.example", f"evil.example:80@{address}", "", f"{address}.evil.example"):
            head = _head(platform, address, host)
            assert "location:" not in head.lower() and "308" not in head, head
        head = _head(platform, address, address)
        assert " 308 " in head and f"Location: https://{address}/x" in head
    assert page(f"http://{platform.address('observability')}/healthz") == (200, "ok\n")


def _head(platform: Platform, address: str, host: str) -> str:
    command = f"curl -sS -m 10 -o /dev/null -D - -H 'Host: {host}' http://{address}/x"
    return answer(platform.lab, "observability", command)


def test_pages_tell_strangers_neither_versions_nor_servers(deployed: Platform) -> None:
    versions = answer(
        deployed.lab,
        MACHINE,
        "nginx -v 2>&1 | sed 's#.*/##'; php -r 'echo PHP_VERSION, PHP_EOL;'"
        " ; mariadb -NBe 'select version()' | sed 's/-.*//'; cat /etc/debian_version"
        " ; dpkg-query -W -f='${Version}\\n' php-laravel-framework | sed 's/[+-].*//'",
    ).split()
    assert len(versions) == 5
    for machine in (MACHINE, "observability"):
        address = deployed.address(machine)
        for path in ("/", "/up", "/nope", "/%", "/grafana/", "/x.php", "/index.php/x"):
            said = answer(deployed.lab, MACHINE, f"curl -sSi -m 10 'http://{address}{path}'")
            head = said.partition("\n\n")[0]
            assert not re.search(r"^(server: .*\d|x-powered-by)", head, flags=re.M | re.I), head
            assert [each for each in versions if each in said] == [], said
    for path in ("/", "/index.html"):
        front = page(f"http://{deployed.address('observability')}{path}")[1]
        assert "/grafana/" in front
        for each in deployed.lab.machines:
            assert each.name not in front and each.address not in front, front
