"""What is not wanted any more is taken away, and nothing else: an application, a component, all."""

import json
import re
import shutil
import time
from urllib.parse import quote

import pytest

from state.record import Record
from tests.e2e.command import Outcome
from tests.e2e.disks import Listing, differences, listing
from tests.e2e.machines import answer, properties, reachable
from tests.e2e.platform import Platform
from tests.e2e.polling import wait_for
from tests.e2e.project import changed
from tests.e2e.shop import MACHINE, Shop

MACHINES = ("observability", "vpsmanager")
# Somebody's own, before anything of ours came: it is in the way of ours, and of Debian's package.
OWN_FILE, OWN_TEXT = "/etc/apt/apt.conf.d/20auto-upgrades", "// mine\n"
# What somebody installs afterwards: it needs Python, which came with a deployment.
OWN_PACKAGE = "python3-six"
# What apt says of packages that came for others, and are needed by nobody.
UNNEEDED = (
    "apt-get -s -o APT::AutoRemove::RecommendsImportant=false"
    " -o APT::AutoRemove::SuggestsImportant=false autoremove | sed -n 's/^Remv \\([^ ]*\\).*/\\1/p'"
)
# What a teardown keeps, and what Debian's own tools write down for themselves.
KEPT = {
    "/var/lib/mysql": "data",
    "/var/lib/redis": "data",
    "/var/lib/chom-redis": "data",
    "/var/lib/prometheus-server": "data",
    "/var/lib/alertmanager": "data",
    "/var/lib/loki": "data",
    "/var/lib/grafana": "data",
    "/var/lib/alloy": "data",
    "/var/www": "data: the applications' storage",
    "/var/backups/chom": "data: dumps of databases",
    "/var/log": "logs",
}
OF_DEBIAN = {
    "/var/cache": "of apt, debconf and ldconfig",
    "/var/lib/apt": "lists, and what is installed for whom",
    "/var/lib/dpkg": "what is installed",
    "/var/lib/ucf": "which configuration files were asked about",
    "/var/lib/systemd": "when timers ran, what is enabled",
    "/var/lib/chom": "which packages are to be purged with the data",
    "/etc/ld.so.cache": "made anew",
    "/var/lib/nginx": "of a package that is not purged, for its logs",
    **{f"/etc/{name}{old}": "users of kept data, and of packages" for old in ("", "-")
       for name in ("passwd", "shadow", "group", "gshadow")},
}  # fmt: skip
# Debian's packages leave their users for good; ours stay as long as their data.
USERS = {
    "observability": {"alertmanager", "prometheus-server", "grafana", "loki", "alloy"},
    "vpsmanager": {"laravel", "_laravel", "_laravel-redis", "mysql", "redis", "alloy"},
}
LEFT_USERS = {"prometheus", "systemd-timesync", "_chrony"}


def tear_down(platform: Platform, *arguments: str, names: str = ",".join(MACHINES)) -> Outcome:
    """``pyinfra inventory.py teardown.py``, confirmed for these targets."""
    platform.unsettle()
    yes = ("--data", f"yes_teardown={names}")
    return platform.project.pyinfra("inventory.py", "teardown.py", "-y", *yes, *arguments)


def removed(record: Record, machine: str) -> dict[str, set[tuple[str, str]]]:
    """Component → kind and name of what a run took away from it."""
    return {
        name: {(each.kind, each.name) for each in its.removed}
        for name, its in record.targets[machine].components.items()
        if its.removed
    }


def installed(platform: Platform, machine: str) -> set[str]:
    """The packages that are installed."""
    listed = answer(platform.lab, machine, "dpkg-query -W -f='${db:Status-Abbrev} ${Package}\\n'")
    return {line.split()[1] for line in listed.splitlines() if line.startswith("ii")}


def lines_of(platform: Platform, machine: str, command: str) -> set[str]:
    return set(answer(platform.lab, machine, command).splitlines())


def users(platform: Platform, machine: str) -> set[str]:
    return lines_of(platform, machine, "cut -d: -f1 /etc/passwd")


def units(platform: Platform, machine: str) -> set[str]:
    """The units that there are, but for those of logins."""
    command = "systemctl list-unit-files --no-legend | grep -v '\\.scope' | awk '{print $1, $2}'"
    return lines_of(platform, machine, command)


@pytest.fixture(scope="module")
def two(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """The plain platform, with a second application."""
    platform.settle()
    shop = Shop(platform, tmp_path_factory.mktemp("apps") / "shop")
    shop.settings |= {"workers": {"count": 1}, "scheduler": True}
    platform.unsettle()
    changes = {"settings.apps": {"laravel": {}, "shop": shop.settings}}
    outcome = platform.project.deploy("-y", "--limit", MACHINE, changes=changes)
    assert outcome.code == 0, outcome
    return shop


def test_an_application_that_is_taken_out_goes_and_its_data_stay(two: Shop) -> None:
    project, lab = two.platform.project, two.platform.lab
    dry = project.deploy("--dry", "--limit", MACHINE)
    assert dry.code == 0, dry
    leftovers = dry.text.partition("      leftovers\n")[2]
    assert "- remove /var/www/shop/current\n" in leftovers
    assert "- remove shop-worker-1.service\n" in leftovers
    # Other applications that have been here before may be named with it.
    [kept] = re.findall("no longer declared, and kept as data: (.*)", dry.text)
    assert {"database shop", "user shop"} <= set(kept.split(", "))
    assert answer(lab, MACHINE, "ls -d /var/www/shop/current")

    outcome = project.deploy("-y", "--limit", MACHINE)
    assert outcome.code == 0, outcome
    gone = removed(project.record(), MACHINE)["leftovers"]
    assert ("files", "/var/www/shop/current") in gone
    assert ("services", "shop-scheduler.timer") in gone
    assert not {kind for kind, _ in gone} & {"data", "databases", "users"}
    assert answer(lab, MACHINE, "ls -A /var/www/shop /var/www/shop/shared").split() == [
        "/var/www/shop:", "shared", "/var/www/shop/shared:", "storage"
    ]  # fmt: skip
    assert answer(lab, MACHINE, "stat -c %U /var/www/shop/shared/storage") == "shop"
    assert answer(lab, MACHINE, "mariadb -NBe 'select count(*) from shop.migrations'") != "0"
    left = "find /etc /run/chom-php /run/chom-redis /var/cache/chom -name '*shop*' ! -name '.*'"
    assert answer(lab, MACHINE, left) == ""
    assert two.ask("/", host="anything.else")[0] == 200

    again = project.deploy("-y", "--limit", MACHINE)
    assert again.code == 0, again
    assert changed(project.record()) == {}
    assert "leftovers" not in project.record().targets[MACHINE].components


def test_one_component_goes_and_the_next_deployment_brings_it_back(two: Shop) -> None:
    platform = two.platform
    before, were = installed(platform, MACHINE), users(platform, MACHINE)
    unneeded = answer(platform.lab, MACHINE, UNNEEDED).split()
    outcome = tear_down(platform, "--data", "only=redis_exporter", "--limit", MACHINE,
                        names=MACHINE)  # fmt: skip
    assert outcome.code == 0, outcome
    assert "redis_access needs redis_exporter" in outcome.text
    record = platform.project.record()
    assert record.action == "teardown"
    gone = removed(record, MACHINE)
    assert set(gone) == {"redis_exporter"}
    assert {("packages", "prometheus-redis-exporter"), ("users", "redis_exporter")} < gone[
        "redis_exporter"
    ]
    # With it goes what nobody needed any more before, as of applications that have been here.
    left = installed(platform, MACHINE)
    assert before - left - {*unneeded} == {"prometheus-redis-exporter"}
    assert were - users(platform, MACHINE) == {"redis_exporter"}
    assert "9121" not in answer(platform.lab, MACHINE, "ufw status")
    assert properties(platform.lab, MACHINE, "laravel-redis-queue", "ActiveState") == {
        "ActiveState": "active"
    }
    back = platform.project.deploy("-y", "--limit", MACHINE)
    assert back.code == 0, back
    assert installed(platform, MACHINE) == left | {"prometheus-redis-exporter"}
    # Nginx reads the exporter's site again.
    assert {name for _, name in changed(platform.project.record())} == {
        "base",
        "redis_exporter",
        "nginx",
    }


@pytest.mark.drill
def test_a_machine_is_as_it_was_but_for_its_data_which_the_next_deployment_finds(
    fresh: Platform,
) -> None:
    lab = fresh.lab
    # The history is of machines that are no more.
    shutil.rmtree(fresh.project.state, ignore_errors=True)
    for machine in MACHINES:
        lab.run(machine, f"cat > {OWN_FILE}; chmod 640 {OWN_FILE}", input=OWN_TEXT)
    before = {each: _look(fresh, each) for each in MACHINES}
    fresh.converge()
    lab.run(MACHINE, f"apt-get -qq -y --no-install-recommends install {OWN_PACKAGE}")
    lab.run(MACHINE, "mariadb laravel -e 'create table rows_of_mine (v int)'")
    lab.run(MACHINE, "mariadb laravel -e 'insert into rows_of_mine values (42)'")
    wait_for("a metric", lambda: _samples(fresh, time.time()) > 0)
    then = time.time()

    outcome = tear_down(fresh)
    assert outcome.code == 0, outcome
    for machine in MACHINES:
        _compare(fresh, machine, before[machine])
    assert "nothing of ours is left to remove" in tear_down(fresh).text

    fresh.converge()
    assert answer(lab, MACHINE, "mariadb -NBe 'select v from laravel.rows_of_mine'") == "42"
    assert _samples(fresh, then) > 0
    record = fresh.converge()
    assert changed(record) == {}


@pytest.mark.drill
def test_a_teardown_that_is_killed_goes_on_and_purges_all(deployed: Platform) -> None:
    lab, project = deployed.lab, deployed.project
    deployed.unsettle()
    yes = ("--data", f"yes_teardown={','.join(MACHINES)}", "--data", "purge=true")
    command = project.start("inventory.py", "teardown.py", "-y", *yes)
    wait_for("the packages", lambda: "packages (" in command.printed(), limit_s=120)
    command.kill()
    outcome = tear_down(deployed, "--data", "purge=true")
    assert outcome.code == 0, outcome
    killed, _ = project.records()[-2:]
    assert (killed.action, killed.status) == ("teardown", "interrupted")
    for machine in MACHINES:
        data = [path for path in KEPT if path not in ("/var/log", "/var/www")]
        paths = " ".join([*data, "/etc/chom", "/opt/prometheus", "/usr/local/lib/chom"])
        assert answer(lab, machine, f"ls -d {paths} 2>/dev/null || true") == ""
        # The records of what was done stay.
        assert answer(lab, machine, "ls /var/lib/chom") == "records"
        assert not users(deployed, machine) & {"laravel", "alertmanager", "prometheus-server"}
    assert project.record().status == "completed"


def _look(platform: Platform, machine: str) -> dict[str, object]:
    return {
        "packages": installed(platform, machine),
        "versions": lines_of(platform, machine, "dpkg-query -W -f='${Package}=${Version}\\n'"),
        "users": users(platform, machine),
        "units": units(platform, machine),
        "manual": lines_of(platform, machine, "apt-mark showmanual"),
        "disk": listing(platform.lab.rootfs(machine)),
    }


def _compare(platform: Platform, machine: str, before: dict[str, object]) -> None:
    """Everything is there that was there; what there is beyond it, is named above."""
    after = _look(platform, machine)
    new = _set(after, "packages") - _set(before, "packages")
    own = {OWN_PACKAGE} if machine == MACHINE else set()
    assert _set(before, "packages") <= _set(after, "packages")
    assert own <= new and bool(own) == bool(new)
    assert _set(after, "manual") - _set(before, "manual") == own
    # Whatever else is new is needed by it.
    unneeded = lines_of(
        platform,
        machine,
        "apt-get -s -o APT::AutoRemove::RecommendsImportant=false autoremove"
        " | sed -n 's/^Remv \\([^ ]*\\).*/\\1/p'",
    )
    assert new & unneeded == set()
    assert _set(before, "users") <= _set(after, "users")
    assert _set(after, "users") - _set(before, "users") <= USERS[machine] | LEFT_USERS
    assert _set(after, "units") == _set(before, "units")
    of_packages = _files_of(platform, machine, new) | _configuration(platform, machine)
    # Security updates, which a first deployment installs, stay.
    newer = {each.partition("=")[0] for each in _set(after, "versions") - _set(before, "versions")}
    updated = _files_of(platform, machine, newer & _set(before, "packages"))
    was, is_now = before["disk"], after["disk"]
    assert isinstance(was, dict) and isinstance(is_now, dict)
    differ = differences(was, is_now, {**KEPT, **OF_DEBIAN})
    others = {path for path in differ if not _is_part_of(path, of_packages, was)}
    assert others - updated == set()
    assert {path for path in was if path not in is_now} <= {
        path for path in was if path.startswith(("/var/log", "/var/cache", "/var/lib/apt"))
    }
    _is_open(platform, machine)


def _set(look: dict[str, object], key: str) -> set[str]:
    found = look[key]
    assert isinstance(found, set)
    return found


def _files_of(platform: Platform, machine: str, packages: set[str]) -> set[str]:
    names = " ".join(sorted(packages))
    return lines_of(platform, machine, f"dpkg -L {names}") if names else set()


def _configuration(platform: Platform, machine: str) -> set[str]:
    """What the packages with data still have: they are not purged."""
    listed = answer(platform.lab, machine, "dpkg-query -W -f='${db:Status-Abbrev} ${Package}\\n'")
    bare = [line.split()[1] for line in listed.splitlines() if line.startswith("rc")]
    return _files_of(platform, machine, set(bare)) | {
        f"/etc/{name}" for name in ("nginx", "mysql", "redis", "grafana", "loki", "alloy", "init.d")
    }


def _is_part_of(path: str, files: set[str], before: Listing) -> bool:
    """Whether a new path is one of these, in such a folder, or Debian's link to start it."""
    if path in before:
        return False
    made_of_it = path.startswith(
        (
            "/etc/rc",
            "/etc/inputrc",
            "/etc/python3",
            "/usr/lib/python3/dist-packages",
            "/usr/local/lib/python3",
            "/var/lib/python",
        )
    )
    return made_of_it or any(
        path == each or (each.count("/") > 1 and each not in before and path.startswith(f"{each}/"))
        for each in files
    )


def _is_open(platform: Platform, machine: str) -> None:
    """No firewall is in force: what listens is reached."""
    lab, port = platform.lab, 8099
    lab.run(
        machine,
        f"systemd-run --quiet --unit=open-door --socket-property=ListenStream={port}"
        " --socket-property=Accept=yes true",
    )
    try:
        assert reachable(platform.address(machine), port)
    finally:
        lab.run(machine, "systemctl stop open-door.socket")


def _samples(platform: Platform, at: float) -> int:
    """How many series Prometheus has of its own at a time."""
    query = quote('up{job="prometheus"}')
    said = answer(
        platform.lab,
        "observability",
        f"curl -s 'http://127.0.0.1:9090/api/v1/query?query={query}&time={at:.0f}'",
    )
    return len(json.loads(said)["data"]["result"])
