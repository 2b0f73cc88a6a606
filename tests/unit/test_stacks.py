"""The real stacks, declared to pyinfra for fake hosts: what would be deployed, and how it reads."""

from pathlib import Path
from typing import Any

import pytest
from pyinfra.api import State
from pyinfra.api.operation import OperationMeta
from pyinfra.context import ctx_host, ctx_state

from configs.secrets import Secret
from tasks.component import Site, Step, declare
from tasks.metrics.component import PASSWORD_FILE
from tasks.operations import files
from tasks.stacks import STACKS, addresses, needed_secrets
from tests.unit.helpers import configuration, fake_state, hardware, made_secrets


class Declaration:
    """One target's stack as it was declared, with the texts of its files."""

    def __init__(self, state: State, role: str, folder: Path) -> None:
        settings = configuration(folder)
        self.site = Site(
            settings.targets[role],
            hardware(),
            list(settings.targets.values()),
            list(settings.targets),
            [22, 2222],
            made_secrets(needed_secrets(settings.targets.values())),
        )
        self.host = state.inventory.get_host(f"@fake/{role}")
        with ctx_state.use(state), ctx_host.use(self.host):
            self.steps: list[Step] = declare(STACKS, self.site)


@pytest.fixture
def texts(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Path → text of every file that is declared."""
    found: dict[str, str] = {}
    real = files.put_text

    def spy(**arguments: Any) -> OperationMeta:
        text = arguments["text"]
        found[arguments["path"]] = text.reveal() if isinstance(text, Secret) else text
        return real(**arguments)

    monkeypatch.setattr(files, "put_text", spy)
    return found


@pytest.fixture
def both(tmp_path: Path, texts: dict[str, str]) -> list[Declaration]:
    state = fake_state(["observability", "vpsmanager"])
    return [Declaration(state, role, tmp_path) for role in ("observability", "vpsmanager")]


def test_every_component_of_the_stack_is_declared_in_order(both: list[Declaration]) -> None:
    for declaration in both:
        names = [item.name for item in STACKS[declaration.site.target.role]]
        assert [step.component for step in declaration.steps] == names


def test_every_operation_belongs_to_a_component(both: list[Declaration]) -> None:
    for declaration in both:
        hashes = [each.hash for step in declaration.steps for each in step.operations]
        assert hashes == declaration.host.op_hash_order
        assert len(set(hashes)) == len(hashes)


def test_no_operation_of_one_role_is_taken_for_one_of_the_other(both: list[Declaration]) -> None:
    one, two = (set(declaration.host.op_hash_order) for declaration in both)
    assert not one & two


def test_ssh_is_let_in_before_the_firewall_closes(both: list[Declaration]) -> None:
    for declaration in both:
        labels = [each.label for each in declaration.steps[0].operations]
        closed = labels.index("Firewall: deny by default, and in force")
        assert labels.index("Firewall: ufw allow 22/tcp") < closed
        assert labels.index("Firewall: ufw allow 2222/tcp") < closed


def test_all_packages_of_a_target_come_in_one_transaction(both: list[Declaration]) -> None:
    for declaration in both:
        installing = [
            each
            for step in declaration.steps
            for each in step.operations
            if each.label.startswith("Packages")
        ]
        assert len(installing) == 1
        created = {name for kind, name in installing[0].creates if kind == "packages"}
        assert created >= {"ufw", "nginx", "prometheus-node-exporter"}


def test_every_component_can_tell_its_version(both: list[Declaration]) -> None:
    assert all(step.version for declaration in both for step in declaration.steps)


def test_the_exporter_is_for_the_observability_target_alone(both: list[Declaration]) -> None:
    _, vpsmanager = both
    labels = [each.label for step in vpsmanager.steps for each in step.operations]
    about = [label for label in labels if "9100" in label]
    assert about == ["Firewall: ufw allow from 10.9.0.11 to any port 9100 proto tcp"]


def test_databases_and_caches_are_not_let_in(both: list[Declaration]) -> None:
    for declaration in both:
        labels = " ".join(each.label for step in declaration.steps for each in step.operations)
        assert "3306" not in labels and "6379" not in labels


def test_files_follow_settings_and_hardware(both: list[Declaration], texts: dict[str, str]) -> None:
    assert "innodb_buffer_pool_size = 512M" in texts["/etc/mysql/mariadb.conf.d/60-chom.cnf"]
    assert "maxmemory 128mb" in texts["/etc/redis/redis.conf"]
    assert "pm.max_children = 12" in texts["/etc/php/8.4/fpm/pool.d/laravel.conf"]
    unit = texts["/etc/systemd/system/prometheus.service"]
    assert "--storage.tsdb.retention.size=51200MB" in unit
    assert "/opt/prometheus/3.8.1/prometheus" in unit
    nodes = texts["/etc/prometheus-server/nodes.yml"]
    assert '"127.0.0.1:9100"' in nodes and '"10.9.0.21:9100"' in nodes


def test_every_unit_writes_down_what_it_was_started_with(texts: dict[str, str], both: Any) -> None:
    drop_ins = {path: text for path, text in texts.items() if path.endswith("chom.conf")}
    assert len(drop_ins) >= 9
    for path, text in drop_ins.items():
        unit = path.split("/")[4].removesuffix(".d")
        assert f"> /run/chom/{unit}.runs" in text, path


def test_network_services_are_confined(texts: dict[str, str], both: Any) -> None:
    for unit in ("nginx", "php8.4-fpm", "mariadb", "prometheus", "prometheus-node-exporter"):
        text = texts[f"/etc/systemd/system/{unit}.service.d/chom.conf"]
        assert "ProtectSystem=strict" in text and "NoNewPrivileges=yes" in text, unit


def test_every_file_ends_with_a_line_end(texts: dict[str, str], both: Any) -> None:
    assert all(text.endswith("\n") for path, text in texts.items() if path != PASSWORD_FILE)


def test_the_pages_to_open(both: list[Declaration]) -> None:
    observability, vpsmanager = (addresses(declaration.site) for declaration in both)
    assert observability == [
        "http://10.9.0.11/",
        "http://10.9.0.11:9090/targets",
        "http://10.9.0.11:9093/",
    ]
    assert vpsmanager == ["http://10.9.0.21/"]


def test_a_target_named_by_a_host_name_is_looked_up_for_the_firewall(
    both: list[Declaration], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [(2, 1, 6, "", ("10.9.9.9", 0))]
    monkeypatch.setattr("socket.getaddrinfo", lambda name, port: found if name == "obs" else [])
    site = both[0].site
    assert site.ip_of(site.target) == "10.9.0.11"
    assert site.ip_of(site.target.model_copy(update={"address": "obs"})) == "10.9.9.9"
