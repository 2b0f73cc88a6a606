"""The real stacks, declared to pyinfra for fake hosts: what would be deployed, and how it reads."""

import hmac
import json
import re
from collections.abc import Mapping, Sequence
from configparser import ConfigParser
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import yaml
from pyinfra.api import State
from pyinfra.api.operation import OperationMeta
from pyinfra.context import ctx_host, ctx_state

from configs.secrets import Secret
from configs.versions import load_versions
from state.selecting import select
from tasks.component import Component, Site, Step, declare
from tasks.grafana.component import grafana
from tasks.metrics.certificate import certificate, fingerprint
from tasks.operations import files
from tasks.prometheus.jobs import jobs
from tasks.prometheus.places import CONFIG_FILE
from tasks.quoting import systemd
from tasks.scraping.component import expected
from tasks.stacks import STACKS, addresses, needed_secrets
from tests.rules import rule_files, rules
from tests.unit.helpers import INVENTORY, configuration, fake_state, hardware, made_secrets

MAIL = INVENTORY.replace(
    "settings: {",
    "settings: {smtp: {host: mail.example.org, sender: a@b.org}, "
    "alertmanager: {email_to: [ops@b.org]}, ",
)


class Declaration:
    """One target's stack as it was declared, with the texts of its files."""

    def __init__(
        self,
        state: State,
        role: str,
        folder: Path,
        inventory: str = INVENTORY,
        stacks: Mapping[str, Sequence[Component]] = STACKS,
    ) -> None:
        settings = configuration(folder, inventory)
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
            self.steps: list[Step] = declare(stacks, self.site)


@pytest.fixture
def texts(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Path → text of every file that is declared."""
    return spy_on_texts(monkeypatch)


def spy_on_texts(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The same, of what is declared from now on."""
    found: dict[str, str] = {}
    real = files.put_texts

    def spy(**arguments: Any) -> OperationMeta:
        found.update({each.path: each.content for each in arguments["files"]})
        return real(**arguments)

    monkeypatch.setattr(files, "put_texts", spy)
    return found


@pytest.fixture
def both(tmp_path: Path, texts: dict[str, str]) -> list[Declaration]:
    state = fake_state(["observability", "vpsmanager"])
    return [Declaration(state, role, tmp_path) for role in ("observability", "vpsmanager")]


def _labels(declaration: Declaration) -> list[str]:
    return [each.label for step in declaration.steps for each in step.operations]


def test_every_component_of_the_stack_is_declared_in_order(both: list[Declaration]) -> None:
    for declaration in both:
        names = [item.name for item in STACKS[declaration.site.target.role]]
        assert [step.component for step in declaration.steps] == names


@pytest.mark.parametrize(
    ("role", "name"), [(role, item.name) for role in STACKS for item in STACKS[role]]
)
def test_every_component_can_be_declared_with_what_it_needs_alone(
    tmp_path: Path, role: str, name: str
) -> None:
    """Nothing refers to what another one has declared, unless it says that it needs that."""
    stacks = select(STACKS, [name], []).of(STACKS)
    state = fake_state([role])
    steps = Declaration(state, role, tmp_path, stacks=stacks).steps
    assert name in [step.component for step in steps]
    assert [step.component for step in steps] == [item.name for item in stacks[role]]


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
        created = {name for kind, name, _ in installing[0].creates if kind == "packages"}
        assert created >= {"ufw", "nginx", "prometheus-node-exporter"}


def test_every_component_can_tell_its_version(both: list[Declaration]) -> None:
    assert all(step.version for declaration in both for step in declaration.steps)


@pytest.mark.parametrize("port", [3903, 9080, 9100, 9104, 9113, 9121, 9253])
def test_exporters_are_for_the_observability_target_alone(
    both: list[Declaration], port: int
) -> None:
    observability, vpsmanager = (_labels(declaration) for declaration in both)
    about = [label for label in vpsmanager if f"port {port} " in label]
    assert about == [f"Firewall: ufw allow from 10.9.0.11 to any port {port} proto tcp"]
    assert f"port {port} " not in " ".join(observability)


def test_nobody_else_may_have_pages_fetched(both: list[Declaration], texts: dict[str, str]) -> None:
    assert "9115" not in " ".join(_labels(both[0]))
    arguments = texts["/etc/default/prometheus-blackbox-exporter"]
    assert "--web.listen-address=127.0.0.1:9115 " in arguments


def test_databases_and_caches_are_not_let_in(both: list[Declaration]) -> None:
    for declaration in both:
        labels = " ".join(_labels(declaration))
        assert "3306" not in labels and "6379" not in labels and "6380" not in labels


def test_files_follow_settings_and_hardware(both: list[Declaration], texts: dict[str, str]) -> None:
    assert "innodb_buffer_pool_size = 512M" in texts["/etc/mysql/mariadb.conf.d/60-chom.cnf"]
    assert "maxmemory 128mb" in texts["/etc/chom/redis/laravel-queue.conf"]
    assert "pm.max_children = 12" in texts["/etc/chom/php/laravel-8.4.conf"]
    unit = texts["/etc/systemd/system/prometheus.service"]
    assert "--storage.tsdb.retention" not in unit
    assert "      size: 51200MB\n" in texts[CONFIG_FILE]
    assert f"/opt/prometheus/{load_versions().pins.prometheus.version}/prometheus" in unit


def test_prometheus_scrapes_every_exporter(both: list[Declaration], texts: dict[str, str]) -> None:
    itself = {"target": "observability", "role": "observability"}
    other = {"target": "vpsmanager", "role": "vpsmanager"}
    application = {**other, "app": "laravel"}
    asked = {**application, "__metrics_path__": "/scrape"}
    wanted = {
        "node": [("127.0.0.1:9100", itself), ("10.9.0.21:9100", other)],
        "nginx": [("127.0.0.1:9113", itself), ("10.9.0.21:9113", other)],
        "requests": [("127.0.0.1:3903", itself), ("10.9.0.21:3903", other)],
        "mysql": [("10.9.0.21:9104", other)],
        "redis": [
            ("10.9.0.21:9121", {**asked, "redis": name, "__param_target": f"laravel-{name}"})
            for name in ("queue", "cache")
        ],
        "php-fpm": [
            ("10.9.0.21:9253", {**application, "__metrics_path__": "/metrics/laravel"}),
        ],
        "alloy": [("127.0.0.1:9080", itself), ("10.9.0.21:9080", other)],
        "blackbox": [
            ("http://10.9.0.21/up", {**application, "__param_module": "http_2xx"}),
        ],
    }
    files = {
        name: yaml.safe_load(texts[f"/etc/prometheus-server/targets/{name}.yml"])
        for name in ("observability", "vpsmanager", "blackbox_exporter")
    }
    for name, scraped in files.items():
        assert {each["labels"]["target"] for each in scraped} <= {name, "vpsmanager"}
    found = [each for scraped in files.values() for each in scraped]
    assert sorted((each["targets"], sorted(each["labels"].items())) for each in found) == sorted(
        ([address], sorted({**labels, "job": job}.items()))
        for job, targets in wanted.items()
        for address, labels in targets
    )


def test_each_target_is_scraped_by_its_own_certificate_and_password(
    both: list[Declaration], texts: dict[str, str]
) -> None:
    secrets = both[0].site.secrets
    config = yaml.safe_load(texts["/etc/prometheus-server/prometheus.yml"])
    found = {each["job_name"]: each for each in config["scrape_configs"]}
    targets = {"target/observability", "target/vpsmanager"}
    assert set(found) == targets | {"blackbox", "prometheus", "alertmanager", "loki"}
    logins = "/etc/prometheus-server/logins"
    for scrape, name in [
        ("target/observability", "observability"),
        ("target/vpsmanager", "vpsmanager"),
        ("blackbox", "observability"),
    ]:
        assert found[scrape]["scheme"] == "https"
        key = secrets[f"METRICS_TLS_KEY_{name.upper()}"].reveal()
        text = certificate(key, f"{name}.metrics.chom.internal")
        shown = fingerprint(text)[:16]
        assert found[scrape]["tls_config"] == {
            "ca_file": f"{logins}/{name}-{shown}.crt",
            "server_name": f"{name}.metrics.chom.internal",
        }
        assert found[scrape]["basic_auth"] == {
            "username": "prometheus",
            "password_file": f"{logins}/{_password_name(secrets, name)}",
        }
        assert ("relabel_configs" in found[scrape]) == (scrape == "blackbox")
        assert texts[f"{logins}/{name}-{shown}.crt"] == text


def test_scraping_is_proven_for_the_targets_of_the_run(both: list[Declaration]) -> None:
    pairs = expected(both[0].site)
    assert ("alertmanager", "observability") in pairs
    assert {job for job, target in pairs if target == "vpsmanager"} == set(jobs(both[0].site))
    limited = expected(replace(both[0].site, in_this_run=["observability"]))
    assert {target for _, target in limited} == {"observability"}


def _password_name(secrets: Mapping[str, Secret], target: str) -> str:
    """The name of the file for Prometheus, which says nothing to who lacks the key."""
    key, password = (
        secrets[f"METRICS_{kind}_{target.upper()}"].reveal().encode()
        for kind in ("TLS_KEY", "PASSWORD")
    )
    return f"{target}-{hmac.new(key, password, 'sha256').hexdigest()[:16]}.password"


def test_redis_exporter_has_a_password_for_our_own_instances_alone(
    both: list[Declaration], texts: dict[str, str]
) -> None:
    secrets = both[1].site.secrets
    lines = texts["/etc/chom/redis_exporter.env"].splitlines()
    password = systemd(secrets["METRICS_PASSWORD_VPSMANAGER"].reveal())
    assert lines[1:] == [f"REDIS_EXPORTER_BASIC_AUTH_PASSWORD={password}"]
    assert json.loads(texts["/etc/chom/redis_exporter.json"]) == {
        f"unix://chom-exporter@/run/chom-redis/laravel-{name}/redis.sock": secrets[
            "REDIS_EXPORTER_PASSWORD_VPSMANAGER"
        ].reveal()
        for name in ("queue", "cache")
    }


def test_nginx_passes_on_no_other_target_to_an_exporter(
    both: list[Declaration], texts: dict[str, str]
) -> None:
    site = texts["/etc/nginx/sites-enabled/redis_exporter.conf"]
    assert 'default "";' in site
    assert '"laravel-queue" "unix:///run/chom-redis/laravel-queue/redis.sock";' in site
    assert 'set $args "target=$redis_exporter_target";' in site
    site = texts["/etc/nginx/sites-enabled/mysqld_exporter.conf"]
    assert "location = /metrics {" in site and 'set $args "";' in site
    assert "location = /probe" not in site
    drop_in = texts["/etc/systemd/system/prometheus-redis-exporter.service.d/chom.conf"]
    assert "EnvironmentFile=/etc/chom/redis_exporter.env" in drop_in.splitlines()


def test_nginx_is_reloaded_for_a_new_certificate(
    both: list[Declaration], texts: dict[str, str]
) -> None:
    """It reads the site again when that has changed, so the site must change with it."""
    hashed = sha256(texts["/etc/chom/metrics/tls.crt"].encode()).hexdigest()
    for site in ("phpfpm_exporter", "log_shipper", "request_metrics"):
        assert hashed in texts[f"/etc/nginx/sites-enabled/{site}.conf"]


def test_rules_are_checked_before_prometheus_reads_them(
    both: list[Declaration], texts: dict[str, str]
) -> None:
    folder = "/etc/prometheus-server/rules"
    config = texts["/etc/prometheus-server/prometheus.yml"]
    assert f'rule_files: ["{folder}/*.yml"]' in config
    declared = list(texts)
    rules = [path for path in declared if path.startswith(folder)]
    assert len(rules) == 7
    assert max(map(declared.index, rules)) < declared.index("/etc/prometheus-server/prometheus.yml")
    drop_in = texts["/etc/systemd/system/prometheus.service.d/chom.conf"]
    assert [f"{folder}/*.yml" in line for line in drop_in.splitlines() if ".reads'" in line] == [
        True
    ]


@pytest.mark.parametrize(
    ("inventory", "receiver"), [(INVENTORY, "nobody"), (MAIL, "mail")], ids=["silent", "mail"]
)
def test_what_is_only_to_be_looked_at_is_not_mailed(
    tmp_path: Path, texts: dict[str, str], inventory: str, receiver: str
) -> None:
    Declaration(fake_state(["observability"]), "observability", tmp_path, inventory)
    config = yaml.safe_load(texts["/etc/alertmanager/alertmanager.yml"])
    route = config["route"]
    assert (route["receiver"], route["group_by"]) == (receiver, ["alertname", "target", "job"])
    verification = {"nobody": "nobody", "mail": "verification"}[receiver]
    assert [each.get("receiver") for each in route["routes"]] == [verification, "nobody", None]
    assert route["routes"][1]["matchers"] == ['severity =~ "info|none"']
    names = {each["name"] for each in config["receivers"]}
    assert names == {"nobody", receiver, verification}


def test_inhibitions_name_alerts_that_there_are(
    both: list[Declaration], texts: dict[str, str], tmp_path: Path
) -> None:
    config = yaml.safe_load(texts["/etc/alertmanager/alertmanager.yml"])
    matchers = [
        matcher
        for rule in config["inhibit_rules"]
        for matcher in rule["source_matchers"] + rule["target_matchers"]
        if matcher.startswith("alertname")
    ]
    named = {name for each in matchers for name in re.findall(r"[A-Z]\w+", each)}
    rendered = rule_files(tmp_path).values()
    assert named <= {each.get("alert") for text in rendered for each in rules(text)}
    assert len(named) >= 8


def test_every_unit_writes_down_what_it_was_started_with(texts: dict[str, str], both: Any) -> None:
    drop_ins = {path: text for path, text in texts.items() if path.endswith(".d/chom.conf")}
    assert len(drop_ins) >= 9
    assert all(path.startswith("/etc/systemd/system/") for path in drop_ins)
    for path, text in drop_ins.items():
        unit = path.split("/")[4].removesuffix(".d")
        assert f"> /run/chom/{unit}.runs" in text, path


def test_grafana_is_told_where_it_is_and_where_all_else_is(
    texts: dict[str, str], both: list[Declaration]
) -> None:
    ini = ConfigParser(interpolation=None)
    ini.read_string(texts["/etc/grafana/grafana.ini"])
    assert ini["server"]["http_addr"] == "127.0.0.1"
    assert ini["server"]["domain"] == "10.9.0.11"
    assert ini["server"]["root_url"] == "%(protocol)s://%(domain)s/grafana/"
    assert ini["security"]["secret_key"] == "$__file{/etc/chom/grafana/secret_key}"
    assert ini["dashboards"]["default_home_dashboard_path"] in texts
    sources = yaml.safe_load(texts["/etc/grafana/provisioning/datasources/chom.yaml"])
    assert {each["uid"]: each["url"] for each in sources["datasources"]} == {
        "prometheus": "http://127.0.0.1:9090",
        "loki": "http://127.0.0.1:3100",
        "alertmanager": "http://127.0.0.1:9093",
    }
    [provider] = yaml.safe_load(texts["/etc/grafana/provisioning/dashboards/chom.yaml"])[
        "providers"
    ]
    folder = provider["options"]["path"]
    shown = {json.loads(text)["uid"] for path, text in texts.items() if path.startswith(folder)}
    assert "chom-fleet" in shown and len(shown) == 9


def test_grafanas_secrets_are_in_files_of_their_own(
    texts: dict[str, str], both: list[Declaration]
) -> None:
    secrets = both[0].site.secrets
    password, key = (
        secrets[name].reveal() for name in ("GRAFANA_ADMIN_PASSWORD", "GRAFANA_SECRET_KEY")
    )
    assert {path for path, text in texts.items() if password in text} == {
        "/etc/chom/grafana/admin_password",
        "/etc/chom/grafana/login",
    }
    assert {path for path, text in texts.items() if key in text} == {"/etc/chom/grafana/secret_key"}


def test_a_pinned_grafana_comes_from_its_makers(both: list[Declaration]) -> None:
    site = both[0].site
    settings = site.settings.model_copy(
        update={"grafana": site.settings.grafana.model_copy(update={"version": "latest"})}
    )
    target = site.target.model_copy(update={"settings": settings})
    pin = load_versions().pins.grafana.version
    assert grafana.packages(site) == [f"grafana={pin}"]
    assert grafana.packages(replace(site, target=target)) == ["grafana"]
    [repository] = grafana.repositories(site)
    assert repository.url == site.settings.grafana_apt.url


def test_pinned_packages_are_held_each_by_a_file(texts: dict[str, str], both: Any) -> None:
    """A deploy of a few components leaves those of the others alone."""
    held = {path for path in texts if path.startswith("/etc/apt/preferences.d/chom-version-")}
    names = {path.removeprefix("/etc/apt/preferences.d/chom-version-") for path in held}
    assert names == {"alloy", "grafana", "loki"}
    pin = load_versions().pins.loki.version
    assert f"Pin: version {pin}\n" in texts["/etc/apt/preferences.d/chom-version-loki"]


def test_network_services_are_confined(texts: dict[str, str], both: Any) -> None:
    exporters = [
        f"prometheus-{each}-exporter" for each in ("node", "nginx", "mysqld", "redis", "blackbox")
    ]
    services = ("prometheus", "loki", "alloy", "grafana-server", "mtail")
    for unit in ("nginx", "laravel-php8.4", "mariadb", *services, *exporters):
        text = texts[f"/etc/systemd/system/{unit}.service.d/chom.conf"]
        assert "ProtectSystem=strict" in text and "NoNewPrivileges=yes" in text, unit


def test_every_file_ends_with_a_line_end(texts: dict[str, str], both: Any) -> None:
    alone = re.compile(
        r"[/.](password(.previous)?|htpasswd(.previous)?|admin_password|secret_key|login)$"
    )
    assert all(text.endswith("\n") for path, text in texts.items() if not alone.search(path))


def test_the_pages_to_open(both: list[Declaration]) -> None:
    observability, vpsmanager = (addresses(declaration.site) for declaration in both)
    assert observability == [
        "http://10.9.0.11/",
        "http://10.9.0.11/grafana/",
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
