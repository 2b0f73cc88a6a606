"""The record of a first deployment tells what is true on the machines."""

import hashlib
import os

import pytest

from facts.firewall import ENABLE
from tests.e2e.first import First
from tests.e2e.machines import answer

MACHINES = ("observability", "vpsmanager")
PACKAGE_OF = {
    "node_exporter": "prometheus-node-exporter",
    "nginx_exporter": "prometheus-nginx-exporter",
    "request_metrics": "mtail",
    "mysqld_exporter": "prometheus-mysqld-exporter",
    "redis_exporter": "prometheus-redis-exporter",
    "blackbox_exporter": "prometheus-blackbox-exporter",
    "alertmanager": "prometheus-alertmanager",
    "loki": "loki",
    "log_shipper": "alloy",
    "mariadb": "mariadb-server",
    "redis": "redis-server",
    "laravel": "php-laravel-framework",
    "php": "php8.4-fpm",
    "nginx": "nginx",
}


def test_everything_is_completed_and_closed(first: First) -> None:
    record = first.record
    assert record.status == "completed"
    assert record.completed_at is not None and record.completed_at >= record.started_at
    assert record.duration_s is not None and record.duration_s > 0
    assert set(record.targets) == set(MACHINES)
    for target in record.targets.values():
        assert target.status == "completed"
        assert target.error is None
        assert {component.status for component in target.components.values()} == {"completed"}


@pytest.mark.parametrize("machine", MACHINES)
def test_versions_are_the_installed_ones(first: First, machine: str) -> None:
    lab, components = first.platform.lab, first.record.targets[machine].components
    for name, package in PACKAGE_OF.items():
        if name in components:
            installed = answer(lab, machine, f"dpkg-query -W -f='${{Version}}' {package}")
            assert components[name].version == installed
    assert components["base"].version == answer(lab, machine, "cat /etc/debian_version")


def test_version_of_prometheus_is_what_the_binary_says(first: First) -> None:
    said = answer(first.platform.lab, "observability", "/opt/prometheus/*/prometheus --version")
    version = first.record.targets["observability"].components["prometheus"].version
    assert f"version {version} " in said.replace("(", "").splitlines()[0] + " "


@pytest.mark.parametrize("machine", MACHINES)
def test_hardware_is_the_machines(first: First, machine: str) -> None:
    hardware = first.record.targets[machine].hardware
    size = first.platform.lab.machine(machine).size
    assert hardware is not None
    assert (hardware["cpu"], hardware["memory_mb"]) == (size.vcpus, size.memory_mb)
    assert hardware["kernel"] == os.uname().release
    assert hardware["os"].startswith("Debian 13")


def test_resources_created_names_what_is_new(first: First) -> None:
    created = first.record.targets["vpsmanager"].resources_created
    assert {"laravel", "node_exporter"} <= set(created.users)
    assert {
        "mariadb.service",
        "redis-server.service",
        "laravel-php8.4.service",
        "nginx.service",
    } <= (set(created.services))
    assert {"ufw allow 80/tcp", "ufw allow 22/tcp"} <= set(created.firewall_rules)
    assert {"mariadb-server", "redis-server", "nginx", "ufw"} <= set(created.packages)
    assert {"/var/www/laravel", "/var/www/laravel/shared"} <= set(created.directories)
    assert "/var/www/laravel/releases" in created.artifacts
    components = first.record.targets["vpsmanager"].components
    kinds = {(each.kind, each.name) for each in components["mariadb"].created}
    assert ("data", "/var/lib/mysql") in kinds and ("packages", "mariadb-server") in kinds
    assert "/etc/chom/redis/laravel-queue.conf" in created.files
    assert created.databases == ["laravel"]

    observability = first.record.targets["observability"].resources_created
    assert {"prometheus-server", "alertmanager", "node_exporter"} <= set(observability.users)
    assert "/etc/prometheus-server" in observability.directories
    assert [path for path in observability.artifacts if path.startswith("/opt/prometheus/")]
    assert observability.databases == []


@pytest.mark.parametrize("machine", MACHINES)
def test_resources_created_names_nothing_that_stood_before(first: First, machine: str) -> None:
    created, bare = first.record.targets[machine].resources_created, first.bare[machine]
    assert "ca-certificates" in bare.packages and "/etc" in bare.disk
    assert set(created.packages) & bare.packages == set()
    assert set(created.users) & bare.users == set()
    assert set(created.services) & bare.units == set()
    paths = {*created.directories, *created.files, *created.artifacts}
    assert paths & set(bare.disk) == set()


@pytest.mark.parametrize("machine", MACHINES)
def test_resources_created_exist(first: First, machine: str) -> None:
    created, lab = first.record.targets[machine].resources_created, first.platform.lab
    for path in (*created.directories, *created.files, *created.artifacts):
        assert os.path.lexists(lab.rootfs(machine) / path.lstrip("/")), path
    for user in created.users:
        answer(lab, machine, f"getent passwd {user}")
    answer(lab, machine, f"systemctl cat {' '.join(created.services)}")
    answer(lab, machine, f"dpkg-query -W {' '.join(created.packages)}")
    rules = answer(lab, machine, "ufw show added").splitlines()
    assert set(created.firewall_rules) <= {*rules, ENABLE}
    assert ENABLE in created.firewall_rules


def test_config_is_the_inventory_that_was_deployed(first: First) -> None:
    config = first.record.config
    inventories = sorted(first.platform.project.folder.glob("inventory-*.yaml"))
    hashes = {hashlib.sha256(path.read_bytes()).hexdigest() for path in inventories}
    assert config.inventory_sha256 in hashes
    assert config.settings["vpsmanager"]["redis"]["queue_memory_mb"] is None


def test_current_is_a_link_to_a_record_for_its_owner_only(first: First) -> None:
    state, deployment = first.platform.project.state, first.record.deployment_id
    path = state / "history" / f"{deployment}.json"
    assert path.is_file() and path.stat().st_mode & 0o077 == 0
    current = state / "current.json"
    assert current.is_symlink()
    assert current.resolve().parent == path.parent
