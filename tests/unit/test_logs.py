"""Logs: what shippers and Loki would be told, as far as their own grammars know it."""

import json
import re
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

import pytest
import yaml

from tasks.component import Step
from tests.lab.standins.programs import alloy_graph, alloy_syntax, loki_config, promtail_config
from tests.lab.standins.programs.relabel import relabel
from tests.unit.helpers import INVENTORY, fake_state
from tests.unit.test_stacks import Declaration, spy_on_texts

ROLES = ("observability", "vpsmanager")
PROMTAIL = INVENTORY.replace("settings: {", "settings: {logs: {shipper: promtail}, ")
WRITERS = {"/etc/alloy/config.alloy": INVENTORY, "/etc/promtail/config.yml": PROMTAIL}


class Logs:
    """Both targets' stacks, and the texts of each target by path."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path, text: str) -> None:
        self.texts: dict[str, dict[str, str]] = {}
        self.steps: dict[str, list[Step]] = {}
        state = fake_state(ROLES)
        for role in ROLES:
            self.texts[role] = spy_on_texts(monkeypatch)
            self.steps[role] = Declaration(state, role, folder, text).steps
            monkeypatch.undo()

    def labels(self, role: str, component: str) -> list[str]:
        """What a component does."""
        (step,) = (step for step in self.steps[role] if step.component == component)
        return [each.label for each in step.operations]


@pytest.fixture
def alloy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Logs:
    return Logs(monkeypatch, tmp_path, INVENTORY)


@pytest.fixture
def promtail(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Logs:
    return Logs(monkeypatch, tmp_path, PROMTAIL)


@pytest.mark.parametrize("role", ROLES)
def test_alloy_is_told_what_it_knows(alloy: Logs, role: str) -> None:
    blocks = alloy_syntax.parse(alloy.texts[role]["/etc/alloy/config.alloy"])
    alloy_graph.check(blocks)
    (write,) = (block for block in blocks if block.name == "loki.write")
    assert write.attributes["external_labels"] == {"target": role, "role": role}
    (endpoint,) = write.inner("endpoint")
    host = {"observability": "127.0.0.1", "vpsmanager": "10.9.0.11"}[role]
    assert endpoint.attributes["url"] == f"https://{host}:3101/loki/api/v1/push"
    assert endpoint.attributes["max_backoff_retries"] == 0
    assert endpoint.inner("basic_auth")[0].attributes == {
        "username": role,
        "password_file": "/run/credentials/alloy.service/logs_password",
    }
    assert endpoint.inner("tls_config")[0].attributes["server_name"] == "logs.chom.internal"


@pytest.mark.parametrize("role", ROLES)
def test_promtail_is_told_what_it_knows(promtail: Logs, role: str) -> None:
    config = promtail_config.read(promtail.texts[role]["/etc/promtail/config.yml"])
    (client,) = config["clients"]
    assert client["external_labels"] == {"target": role, "role": role}
    assert client["basic_auth"]["password_file"] == (
        "/run/credentials/promtail.service/logs_password"
    )
    assert config["server"]["http_listen_address"] == "127.0.0.1"
    assert config["server"]["grpc_listen_address"] == "127.0.0.1"


def test_both_read_the_same_files_alike(alloy: Logs, promtail: Logs) -> None:
    config = yaml.safe_load(promtail.texts["vpsmanager"]["/etc/promtail/config.yml"])
    read = {
        tuple(sorted(static["labels"].items())): each.get("pipeline_stages", [])
        for each in config["scrape_configs"]
        for static in each.get("static_configs", [])
    }
    blocks = alloy_syntax.parse(alloy.texts["vpsmanager"]["/etc/alloy/config.alloy"])
    stages = {
        block.label: [
            {inner.name.removeprefix("stage."): inner.attributes} for inner in block.blocks
        ]
        for block in blocks
        if block.name == "loki.process"
    }
    assert {_without_data(labels): stages for labels, stages in read.items()} == {
        _without_data(target.items()): stages[block.label]
        for block in blocks
        if block.name == "local.file_match"
        for target in block.attributes["path_targets"]
    }
    jobs = {
        dict(labels)["job"]: dict(labels)
        for labels in read
        if not dict(labels)["__path__"].startswith("/var/lib/")
    }
    assert set(jobs) == {"nginx", "php-fpm", "mariadb", "laravel"}
    assert jobs["laravel"]["app"] == "laravel"
    assert jobs["laravel"]["__path__"] == "/var/www/laravel/shared/storage/logs/laravel*.log"


def _without_data(labels: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Labels in order; the shippers' own folders have other names."""
    return tuple(sorted((name, value.replace("/alloy/", "/promtail/")) for name, value in labels))


@pytest.mark.parametrize("role", ROLES)
def test_rotated_lines_are_read_like_those_of_their_source(alloy: Logs, role: str) -> None:
    settings = json.loads(alloy.texts[role]["/etc/chom/logs/checkpoint.json"])
    folders = {
        f"{settings['data']}/recovered/{source['name']}/*.log": source["files"]
        for source in settings["sources"]
    }
    blocks = alloy_syntax.parse(alloy.texts[role]["/etc/alloy/config.alloy"])
    matches = [block for block in blocks if block.name == "local.file_match"]
    assert len(matches) == len(folders)
    for block in matches:
        own, recovered = block.attributes["path_targets"]
        assert folders[recovered.pop("__path__")] == own.pop("__path__")
        assert recovered == own


@pytest.mark.parametrize("role", ROLES)
def test_job_of_the_journal_needs_no_version_of_a_shipper(
    alloy: Logs, promtail: Logs, role: str
) -> None:
    """Alloy 1.19.0 overwrites the label `job` of its journal reader."""
    blocks = alloy_syntax.parse(alloy.texts[role]["/etc/alloy/config.alloy"])
    (reader,) = (block for block in blocks if block.name == "loki.source.journal")
    (rules,) = (block for block in blocks if block.name == "loki.relabel")
    assert "labels" not in reader.attributes and reader.attributes["max_age"] == "48h"
    config = promtail_config.read(promtail.texts[role]["/etc/promtail/config.yml"])
    (scrape,) = (each for each in config["scrape_configs"] if "journal" in each)
    assert scrape["journal"] == {"max_age": "48h"}
    for found in ([rule.attributes for rule in rules.inner("rule")], scrape["relabel_configs"]):
        of_nginx = relabel({"job": "any", "__journal__systemd_unit": "nginx.service"}, found)
        of_mariadb = relabel({"job": "any", "__journal__systemd_unit": "mariadb.service"}, found)
        of_redis = relabel({"__journal__systemd_unit": "shop-redis-cache.service"}, found)
        assert of_nginx and of_mariadb and of_redis
        assert (of_nginx["job"], of_nginx["unit"]) == ("journal", "nginx.service")
        assert of_mariadb["job"] == "mariadb" and of_redis["job"] == "redis"
        assert of_redis["app"] == "shop" and "app" not in of_mariadb


@pytest.mark.parametrize("name", ["alloy", "promtail"])
def test_shipper_starts_from_the_checkpoint(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    text = {"alloy": INVENTORY, "promtail": PROMTAIL}[name]
    logs = Logs(monkeypatch, tmp_path, text)
    for role in ROLES:
        drop_in = logs.texts[role][f"/etc/systemd/system/{name}.service.d/chom.conf"].splitlines()
        for line in ("ExecStartPre", "ExecStop", "ExecStopPost"):
            (command,) = [each for each in drop_in if each.startswith(f"{line}=/usr/bin/env")]
            # Without a prefix: as the shipper's own user, and in its sandbox.
            assert "python3 -sP -m log_checkpoint" in command
        # Only Alloy compiles regular expressions to machine code.
        assert ("MemoryDenyWriteExecute=yes" in drop_in) == (name == "promtail")
        unit = logs.texts[role]["/etc/systemd/system/chom-log-checkpoint.service"]
        assert f"User={name}\n" in unit
        assert "Service chom-log-checkpoint" in logs.labels(role, "log_shipper")


@pytest.mark.parametrize("path", WRITERS)
def test_only_one_shipper_is_left(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, path: str
) -> None:
    logs = Logs(monkeypatch, tmp_path, WRITERS[path])
    other = next(each for each in WRITERS if each != path)
    service, gone = path.split("/")[2], other.split("/")[2]
    for role in ROLES:
        labels = logs.labels(role, "log_shipper")
        assert f"Service {service}" in labels
        assert f"No service {gone}" in labels and f"No file {other}" in labels
        assert other not in logs.texts[role]


def test_loki_is_told_what_it_knows(alloy: Logs) -> None:
    config = loki_config.read(alloy.texts["observability"]["/etc/loki/config.yml"])
    assert config["server"]["http_listen_address"] == "127.0.0.1"
    assert config["server"]["grpc_listen_address"] == "127.0.0.1"
    # 500 stack traces of 10 kB, as a panel asks for, are more than the default of 4 MiB.
    assert config["server"]["grpc_server_max_recv_msg_size"] == 64 << 20
    assert config["server"]["grpc_server_max_send_msg_size"] == 64 << 20
    assert config["limits_config"]["retention_period"] == "360h"
    assert config["compactor"]["retention_enabled"] is True
    assert config["compactor"]["delete_request_store"] == "filesystem"
    assert config["analytics"]["reporting_enabled"] is False


def test_lines_belong_to_the_target_that_logs_in(alloy: Logs) -> None:
    site = alloy.texts["observability"]["/etc/nginx/sites-enabled/loki.conf"]
    found = re.findall(r'^    "(.*)" "(.*)";$', site, flags=re.M)
    assert found == [(role, role) for role in ROLES] + [("shipper", "fake")]
    assert 'default "";' in site
    assert 'X-Scope-OrgID "observability|vpsmanager|fake"' in site.partition("listen 3101")[0]
    config = yaml.safe_load(alloy.texts["observability"]["/etc/loki/config.yml"])
    assert config["auth_enabled"] is True
    assert config["querier"] == {"multi_tenant_queries_enabled": True}
    assert config["server"]["http_listen_port"] == 13100


def test_loki_takes_pushes_of_the_targets_alone(alloy: Logs) -> None:
    assert "Firewall: ufw allow from 10.9.0.21 to any port 3101 proto tcp" in alloy.labels(
        "observability", "loki"
    )
    for role in ROLES:
        every = " ".join(each.label for step in alloy.steps[role] for each in step.operations)
        assert every.count("3101") == (1 if role == "observability" else 0)
        assert " 3100" not in every and "12345" not in every
    site = alloy.texts["observability"]["/etc/nginx/sites-enabled/loki.conf"]
    assert "location = /loki/api/v1/push {" in site
    users = re.findall(r"auth_basic_user_file (.*);", site)
    assert users == ["/etc/chom/logs/htpasswd", "/etc/chom/logs/htpasswd.previous"]
    pushes = site.partition("listen 3101")[2]
    assert pushes.count("proxy_pass") == len(users)
    assert "proxy_set_header X-Scope-OrgID $loki_tenant;" in pushes
    assert pushes.count("X-Scope-OrgID") == 1 and "limit_req zone=" in pushes
    # Nginx reads the certificate again when the site has changed.
    certificate = alloy.texts["observability"]["/etc/chom/logs/tls.crt"]
    assert sha256(certificate.encode()).hexdigest() in site


def test_the_key_stays_on_the_observability_target(alloy: Logs) -> None:
    found = {
        role: {path for path in texts if path.startswith("/etc/chom/logs/")}
        for role, texts in alloy.texts.items()
    }
    names = {"vpsmanager": ["checkpoint.json", "password", "tls.crt"]}
    names["observability"] = [*names["vpsmanager"], "htpasswd", "htpasswd.previous", "tls.key"]
    assert found == {role: {f"/etc/chom/logs/{each}" for each in names[role]} for role in ROLES}


@pytest.mark.parametrize("role", ROLES)
def test_the_password_is_in_its_own_files_alone(alloy: Logs, role: str) -> None:
    password = alloy.texts[role]["/etc/chom/logs/password"].strip()
    assert [path for path, text in alloy.texts[role].items() if password in text] == [
        "/etc/chom/logs/password"
    ]
