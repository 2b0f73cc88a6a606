"""A server with things of its own: they are found, named, and still there after a teardown."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.disks import differences, listing
from tests.e2e.machines import answer
from tests.e2e.platform import Platform
from tests.e2e.project import changed

MACHINE = "vpsmanager"
BLOG = "server { listen 8081; location / { return 200 'my blog'; } }"
UNIT = "prometheus-node-exporter.service"
# A package whose installation fails for good.
HALF = """\
mkdir -p /root/half/DEBIAN
printf '%s\\n' 'Package: half' 'Version: 1' 'Architecture: all' 'Maintainer: me <me@x>' \
  'Description: never configured' > /root/half/DEBIAN/control
printf '#!/bin/sh\\nexit 1\\n' > /root/half/DEBIAN/postinst
chmod 755 /root/half/DEBIAN/postinst
dpkg-deb -b /root/half /root/half.deb >/dev/null
dpkg -i /root/half.deb >/dev/null 2>&1 || true
"""
SET_UP = f"""\
set -e
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update
apt-get -qq -y --no-install-recommends install nginx mariadb-server ufw >/dev/null
echo "{BLOG}" > /etc/nginx/conf.d/blog.conf
nginx -s reload
mariadb -e "create database test; create table test.mine (id int); insert into test.mine values (7);
  alter user root@localhost identified by 'mine'"
mkdir -p /var/www/laravel/releases/1 /var/www/laravel/releases/2 /var/www/laravel/shared
echo SECRET=mine > /var/www/laravel/shared/.env
ufw limit 22/tcp
ufw deny 80/tcp
ufw allow 8081/tcp comment mine
ufw --force enable
printf '[Service]\\nExecStart=/bin/sleep infinity\\n' > /etc/systemd/system/{UNIT}
systemctl daemon-reload
{HALF}"""
RULES = "grep -h '^### tuple' /etc/ufw/user.rules /etc/ufw/user6.rules"
# What a machine writes by itself while nothing of ours is done.
BUSY = {
    "/run": "of what runs",
    "/tmp": "of what runs",
    "/var/cache": "of apt",
    "/var/lib/apt": "of apt",
    "/var/lib/mysql": "MariaDB runs",
    "/var/lib/systemd": "when timers ran",
    "/var/log": "logs",
}


def run(platform: Platform, *commands: str) -> str:
    return answer(platform.lab, MACHINE, "\n".join(["set -e", *commands]))


def rest() -> None:
    """Let the user's own limit (ufw: six connections in 30 s) forget the logins so far."""
    time.sleep(31)


def named(platform: Platform, names: Mapping[str, Any]) -> Path:
    """An inventory in which the server goes by these names: name → its address, or None."""
    path = platform.project.inventory()
    data = yaml.safe_load(path.read_text())
    entry = data["targets"].pop(MACHINE)
    for name, address in names.items():
        data["targets"][name] = {**entry, "address": address or entry["address"]}
    path.write_text(yaml.safe_dump(data, sort_keys=False))
    return path


def second_address(platform: Platform) -> str:
    """Another address of the server, which has its key."""
    address = platform.address(MACHINE)
    another = f"{address.rpartition('.')[0]}.99"
    device = run(platform, "ip -o -4 addr show scope global | awk '{print $2; exit}'")
    run(platform, f"ip addr add {another}/24 dev {device}")
    known = platform.lab.login.known_hosts
    lines = known.read_text().splitlines()
    more = [line.replace(address, another) for line in lines if line.startswith(address)]
    assert more, lines
    known.write_text("\n".join([*lines, *more]) + "\n")
    return another


@pytest.mark.drill
def test_a_server_with_things_of_its_own(fresh: Platform) -> None:
    project = fresh.project
    disk = fresh.lab.rootfs(MACHINE)
    fresh.unsettle()
    run(fresh, SET_UP)
    before = listing(disk)

    # What cannot stay beside ours is refused, all of it at once.
    outcome = project.deploy("-y")
    assert outcome.code == 1, outcome
    for words in (
        "dpkg: found packages that are installed by half, by no deploy: half",
        "Nginx: found sites that no deploy made: /etc/nginx/conf.d/blog.conf",
        "MariaDB: found root does not get in by the socket: ERROR 1045",
        "application laravel: found a folder /var/www/laravel",
    ):
        assert f"✗ {MACHINE}: {words}" in outcome.text, outcome
    assert project.record().targets[MACHINE].components == {}
    assert differences(before, listing(disk), BUSY) == set()

    # It is done as the remedies say.
    run(
        fresh,
        "apt-get -qq -y purge half >/dev/null",
        "mv /etc/nginx/conf.d/blog.conf /root/ && nginx -s reload",
        'mariadb -u root -pmine -e "alter user root@localhost identified via unix_socket or'
        " mysql_native_password using password('mine')\"",
        "mv /var/www/laravel /var/www/laravel.before",
        f"systemctl start {UNIT}",
    )
    outcome = project.deploy("--dry")
    assert outcome.code == 1, outcome
    assert "firewall: found a rule of ufw that denies what ufw allow 80/tcp" in outcome.text
    assert f"service {UNIT}: found a service {UNIT} that no deploy made" in outcome.text
    run(
        fresh,
        "ufw delete deny from 0.0.0.0/0 to any port 80 proto tcp",
        "ufw delete deny from ::/0 to any port 80 proto tcp",
        f"systemctl disable --now {UNIT}",
        f"rm /etc/systemd/system/{UNIT}",
    )
    rules = set(run(fresh, RULES).splitlines())
    outcome = project.deploy("-y")
    assert outcome.code == 0, outcome
    assert "! vpsmanager: MariaDB: found a MariaDB that no deploy made (databases: test)" in (
        outcome.text
    )
    mine_is_there(fresh, rules)

    # The site may come back, and is served from then on: the deploy has Nginx read it.
    rest()
    run(fresh, "mv /root/blog.conf /etc/nginx/sites-enabled/blog")
    assert set(changed(fresh.converge())) == {(MACHINE, "nginx")}
    assert changed(fresh.converge()) == {}
    assert run(fresh, "curl -s http://127.0.0.1:8081/") == "my blog"

    # A second name of it is refused, and stops nothing; a new one is recognised.
    rest()
    both = named(fresh, {MACHINE: None, "shop": second_address(fresh)})
    outcome = project.deploy("-y", inventory=both)
    assert outcome.code == 1, outcome
    assert "✗ shop: machine: found shop is the same machine as vpsmanager" in outcome.text
    assert "✗ vpsmanager" not in outcome.text
    assert project.record().targets[MACHINE].status == "completed"
    mine_is_there(fresh, rules)
    rest()
    renamed = named(fresh, {"shop": None})
    outcome = project.deploy("-y", inventory=renamed)
    assert outcome.code == 0, outcome
    assert "shop is the machine that was vpsmanager" in outcome.text
    rest()
    outcome = project.deploy("-y", inventory=renamed)
    assert outcome.code == 0 and changed(project.record()) == {}, outcome

    rest()
    # A teardown by a name that it was never deployed by.
    again = named(fresh, {"store": None})
    outcome = project.pyinfra(
        *("inventory.py", "teardown.py", "-y", "--limit", "store"),
        *("--data", "yes_teardown=store"),
        inventory=again,
    )
    assert outcome.code == 0, outcome
    mine_is_there(fresh, rules)
    rest()
    assert set(run(fresh, RULES).splitlines()) == rules
    assert run(fresh, "systemctl is-active nginx mariadb").split() == ["active", "active"]
    # curl went with what the deploy brought.
    ask = r"exec 3<>/dev/tcp/127.0.0.1/8081; printf 'GET / HTTP/1.0\r\n\r\n' >&3; tail -n 1 <&3"
    assert run(fresh, ask).strip() == "my blog"
    assert listing(disk)["/etc/nginx/nginx.conf"] == before["/etc/nginx/nginx.conf"]


def mine_is_there(platform: Platform, rules: set[str]) -> None:
    """What was there before us, but for what was moved by hand."""
    rest()
    assert run(platform, "mariadb -u root -pmine -NBe 'select id from test.mine'") == "7"
    kept = "ls /var/www/laravel.before/releases; cat /var/www/laravel.before/shared/.env"
    assert run(platform, kept).split() == ["1", "2", "SECRET=mine"]
    assert rules <= set(run(platform, RULES).splitlines())
