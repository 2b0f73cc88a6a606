"""Which value is in force, where it was written, and the layers above the files."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import configs
from configs import Configuration, ConfigurationError, Problem
from configs.__main__ import main
from configs.overrides import settings
from configs.versions import load_versions
from tests.unit.keys import PRIVATE_KEY

Load = Callable[..., Configuration]
VARIABLE = "CHOM_SETTING__PROMETHEUS__RETENTION_DAYS"
INVENTORY = """
ssh: {{user: deploy, key: {home}/key, known_hosts: {home}/hosts}}
targets:
  watch: {{role: observability, address: 10.0.0.1}}
  web: {{role: vpsmanager, address: 10.0.0.2, settings: {{php: {{children: 20}}}}}}
settings: {{prometheus: {{retention_days: 30}}, php: {{children: 10}}}}
"""


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "key").write_text(PRIVATE_KEY)
    (tmp_path / "key").chmod(0o600)
    (tmp_path / "hosts").write_text("")
    path = tmp_path / "inventory.yaml"
    path.write_text(INVENTORY.format(home=tmp_path))
    monkeypatch.setenv("CHOM_INVENTORY", str(path))
    return path


@pytest.fixture
def load(path: Path) -> Load:
    def load(data: dict[str, Any] | None = None, **environ: str) -> Configuration:
        return configs.load(path, environ=environ, data=data)

    return load


def refused(load: Load, data: dict[str, Any] | None = None, **environ: str) -> list[Problem]:
    with pytest.raises(ConfigurationError) as refusal:
        load(data, **environ)
    return refusal.value.problems


def only(problems: list[Problem]) -> Problem:
    assert len(problems) == 1, problems
    return problems[0]


# Which layer goes before which


def test_data_goes_before_the_environment_and_that_before_the_files(load: Load) -> None:
    def days(data: dict[str, Any] | None = None, environ: str = "30") -> set[int]:
        targets = load(data, **{VARIABLE: environ}).targets.values()
        return {target.settings.prometheus.retention_days for target in targets}

    files = load().targets.values()
    assert {target.settings.prometheus.retention_days for target in files} == {30}
    assert days(environ="7") == {7}
    assert days({"prometheus.retention_days": 3}, "7") == {3}
    assert days({"prometheus.retention_days": "3"}, "7") == {3}


def test_an_override_goes_before_a_targets_own_setting(load: Load) -> None:
    targets = load(CHOM_SETTING__PHP__CHILDREN="5").targets
    assert {target.settings.php.children for target in targets.values()} == {5}
    assert load(CHOM_SETTING__PHP__CHILDREN="null").targets["web"].settings.php.children is None


@pytest.mark.parametrize(
    ("variable", "text", "key", "value"),
    [
        ("PHP__DEFAULT", "8.4", "php.default", "8.4"),
        ("PHP__DEFAULT", '"8.4"', "php.default", "8.4"),
        ("APT__UNATTENDED_UPGRADES", "false", "apt.unattended_upgrades", False),
        ("APT__MIRROR", "https://mirror.lan/debian/", "apt.mirror", "https://mirror.lan/debian"),
        ("APT__MIRROR", "null", "apt.mirror", None),
        ("PORTAL__SERVER_NAME", "*.example.org", "portal.server_name", "*.example.org"),
        ("NETWORK__ADMIN_NETWORKS", "[10.0.0.0/8]", "network.admin_networks", ("10.0.0.0/8",)),
        ("SMTP__USERNAME", "0123", "smtp.username", "0123"),
        ("REDIS__CACHE_EVICTION", "noeviction", "redis.cache_eviction", "noeviction"),
        ("PREFLIGHT__VPSMANAGER__MEMORY_MB", "64", "preflight.vpsmanager.memory_mb", 64),
    ],
)
def test_a_variable_is_a_yaml_value_and_text_where_text_is_wanted(
    load: Load, variable: str, text: str, key: str, value: Any
) -> None:
    found: Any = load(**{f"CHOM_SETTING__{variable}": text}).targets["web"].settings
    for step in key.split("."):
        found = getattr(found, step)
    assert found == value


def test_checksums_of_an_override_are_never_mixed_with_others(load: Load) -> None:
    data = {"prometheus.version": "3.9.0", "prometheus.sha256.arm64": "a" * 64}
    prometheus = load(data).targets["web"].settings.prometheus
    assert (prometheus.version, prometheus.sha256) == ("3.9.0", {"arm64": "a" * 64})


def test_data_of_others_is_passed_over(load: Load) -> None:
    load({"release": "main", "grafana.port": 1, "_sudo": True})


# What is wrong with an override


@pytest.mark.parametrize(
    ("name", "found", "remedy"),
    [
        ("CHOM_SETTING__PROMETHEUS__RETENTION_DAY", "an unknown setting", f"mean {VARIABLE}?"),
        ("CHOM_SETTINGS__PROMETHEUS__RETENTION_DAYS", "an unknown setting", f"mean {VARIABLE}?"),
        ("CHOM_SETTING_PROMETHEUS_RETENTION_DAYS", "an unknown setting", f"mean {VARIABLE}?"),
        ("CHOM_SETTING__PROMETHEUS", "a section", "name the setting, too"),
        ("CHOM_SETTING__", "an unknown setting", "remove it"),
        ("CHOM_SETTING__SMTP__PASSWORD", "an unknown setting", "secrets set SMTP_PASSWORD"),
        ("CHOM_SETTING__APPS", "an unknown setting", "remove it"),
        ("CHOM_SETTING__GIT__HOST_KEYS__X", "an unknown setting", "remove it"),
    ],
)  # fmt: skip
def test_an_unknown_variable(load: Load, name: str, found: str, remedy: str) -> None:
    problem = only(refused(load, None, **{name: "geheim"}))
    assert (problem.file, problem.key, problem.found) == ("the environment", name, found)
    assert remedy in problem.remedy
    assert "geheim" not in str(problem)


@pytest.mark.parametrize(
    ("key", "found", "remedy"),
    [
        ("prometheus.retention_day", "an unknown setting", "mean prometheus.retention_days?"),
        ("php.qqqqqqqqqqqqqqq", "an unknown setting", "configs/defaults.yaml has all settings"),
        ("smtp.password", "an unknown setting", "secrets set SMTP_PASSWORD"),
        ("php.token", "an unknown setting", "secrets belong in configs/.secrets.env"),
        ("prometheus.sha256", "a section", "name the setting, too"),
        ("php", "a section", "name the setting, too"),
    ],
)  # fmt: skip
def test_an_unknown_key_of_data(load: Load, key: str, found: str, remedy: str) -> None:
    problem = only(refused(load, {key: "geheim"}))
    assert (problem.file, problem.key, problem.found) == ("--data", key, found)
    assert remedy in problem.remedy
    assert "geheim" not in str(problem)


@pytest.mark.parametrize("text", ["{a: geheim}", "[geheim", "!geheim x"])
def test_a_variable_that_is_no_value(load: Load, text: str) -> None:
    problem = only(refused(load, None, **{VARIABLE: text}))
    assert (problem.key, problem.found) == (VARIABLE, "no single value in YAML")
    assert "geheim" not in str(problem)


@pytest.mark.parametrize(
    ("text", "found"), [("many", '"many"'), ("0", "0"), ("", "nothing (null)")]
)
def test_a_wrong_value_names_the_variable_once(load: Load, text: str, found: str) -> None:
    problem = only(refused(load, None, **{VARIABLE: text}))
    assert (problem.file, problem.key, problem.found) == ("the environment", VARIABLE, found)
    assert problem.expected == "a whole number from 1 to 3650"
    assert problem.remedy == "correct it, or remove it to use the default, 15"


def test_a_wrong_item_of_a_list_names_the_variable(load: Load) -> None:
    name = "CHOM_SETTING__NETWORK__ADMIN_NETWORKS"
    assert only(refused(load, None, **{name: "[10.0.0.0/8, x]"})).key == name


def test_a_mail_server_of_the_environment_needs_a_receiver(load: Load) -> None:
    problem = only(
        refused(load, CHOM_SETTING__SMTP__HOST="h", CHOM_SETTING__SMTP__SENDER="a@b.org")
    )
    assert (problem.file, problem.key) == ("the environment", "CHOM_SETTING__SMTP__HOST")
    assert "alertmanager.email_to is empty" in problem.found


def test_a_version_without_its_checksums(load: Load) -> None:
    problem = only(refused(load, CHOM_SETTING__PROMETHEUS__VERSION="3.9.0"))
    assert problem.key == "CHOM_SETTING__PROMETHEUS__VERSION"
    pin = load_versions().pins.prometheus.version
    assert f"the known checksums belong to {pin}" in problem.found
    assert only(refused(load, {"prometheus.version": "3.9.0"})).file == "--data"


def test_a_misshapen_section_is_refused_where_it_is_written(load: Load, path: Path) -> None:
    path.write_text(path.read_text().replace("php: {children: 10}", "php: 5"))
    problem = only(refused(load, CHOM_SETTING__PHP__CHILDREN="5"))
    assert problem.key == "settings.php"
    assert problem.file.endswith("inventory.yaml")


def test_a_misshapen_target_is_refused_where_it_is_written(load: Load, path: Path) -> None:
    path.write_text(path.read_text().replace("web: {", "other: 7\n  web: {"))
    problem = only(refused(load, CHOM_SETTING__PHP__CHILDREN="5"))
    assert problem.key == "targets.other"


def test_every_setting_can_be_overridden() -> None:
    shown = configs.load(environ={}, allow_example=True).targets["vpsmanager"].settings
    sections = shown.model_dump()
    # What stands under names of the operator's own is for the inventory alone.
    assert {"github.com"} < set(sections["git"].pop("host_keys"))
    assert sections.pop("apps") == {}
    assert set(_leaves(sections, "")) == set(settings())


def _leaves(section: dict[str, Any], above: str) -> list[str]:
    return [
        leaf
        for key, value in section.items()
        for leaf in (_leaves(value, f"{above}{key}.") if isinstance(value, dict) else [above + key])
    ]


# Applications, whose names are the inventory's


@pytest.fixture
def shops(path: Path) -> Path:
    """The inventory with two targets that have one application each."""
    more = "more: {role: vpsmanager, address: 10.0.0.3, settings: {apps: {shop: {domain: a.org}}}}"
    text = path.read_text().replace("php: {children: 20}", "apps: {blog_2: }")
    path.write_text(text.replace("targets:\n", f"targets:\n  {more}\n"))
    return path


@pytest.mark.parametrize(
    ("data", "environ", "branch"),
    [
        ({"apps.shop.branch": "live"}, {}, "live"),
        ({}, {"CHOM_SETTING__APPS__SHOP__BRANCH": "feature/#123"}, "feature/#123"),
        ({"apps.shop.branch": "2"}, {"CHOM_SETTING__APPS__SHOP__BRANCH": "1"}, "2"),
    ],
)
def test_a_setting_of_an_application_is_set_where_the_application_is(
    load: Load, shops: Path, data: dict[str, Any], environ: dict[str, str], branch: str
) -> None:
    targets = load(data, **environ).targets
    assert targets["more"].settings.apps["shop"].branch == branch
    assert targets["more"].settings.apps.keys() == {"shop"}
    assert targets["web"].settings.apps.keys() == {"blog_2"}


def test_further_settings_of_an_application(load: Load, shops: Path) -> None:
    data = {
        "apps.blog_2.maintenance": "true",
        "apps.blog_2.workers.count": "2",
        "apps.blog_2.environment.MOTD": "1.50",
        "apps.blog_2.login_paths": "[/a, /b]",
    }
    [blog] = load(data).targets["web"].settings.apps.values()
    assert blog.maintenance and blog.workers.count == 2 and blog.login_paths == ("/a", "/b")
    assert blog.environment == {"MOTD": "1.50"}
    assert load(None, CHOM_SETTING__APPS__BLOG_2__ENVIRONMENT__MOTD="x").targets[
        "web"
    ].settings.apps["blog_2"].environment == {"MOTD": "x"}


@pytest.mark.parametrize(
    ("key", "found", "expected", "remedy"),
    [
        (
            "apps.shpo.branch",
            "a setting of an application that the inventory does not have",
            "a setting of: shop, blog_2",
            "did you mean apps.shop.branch?",
        ),
        ("apps.shop.brnch", "an unknown setting", "", "did you mean apps.shop.branch?"),
        ("apps.shop.workers", "a section", "apps.shop.workers.count", "name the setting, too"),
        ("apps.shop", "a section", "apps.shop.branch", "name the setting, too"),
    ],
)
def test_a_wrong_name_of_an_application_or_its_setting(
    load: Load, shops: Path, key: str, found: str, expected: str, remedy: str
) -> None:
    problem = only(refused(load, {key: "x"}))
    assert (problem.key, problem.found) == (key, found)
    assert remedy in problem.remedy
    assert expected in problem.expected


def test_without_applications_there_is_none_to_set(load: Load) -> None:
    problem = only(refused(load, None, CHOM_SETTING__APPS__SHOP__DOMAIN="x.org"))
    assert problem.found == "a setting of an application that the inventory does not have"
    assert problem.expected == "a setting of: none, it has none"


def test_a_wrong_value_of_an_application_names_the_key(load: Load, shops: Path) -> None:
    problem = only(refused(load, {"apps.shop.branch": "a b"}))
    assert (problem.file, problem.key) == ("--data", "apps.shop.branch")


# What is shown


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert main(["show", "--json", *arguments]) == 0
    return json.loads(capsys.readouterr().out)["targets"]


def test_every_value_comes_with_its_layer(
    path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHOM_SETTING__REDIS__CACHE_MEMORY_MB", "99")
    targets = shown(capsys, "--data", "nginx.worker_connections=64")
    layers = {key: row["layer"] for key, row in targets["web"].items()}
    assert layers["php.versions"] == "defaults"
    assert layers["prometheus.retention_days"] == "inventory"
    assert layers["php.children"] == "target"
    assert layers["redis.cache_memory_mb"] == "environment"
    assert layers["nginx.worker_connections"] == "data"
    assert layers["ssh.port"] == "built in"
    assert layers["ssh.user"] == "inventory"
    assert layers["role"] == "target"
    assert targets["watch"]["php.children"]["layer"] == "inventory"
    assert targets["web"]["php.children"] == {
        "value": 20,
        "layer": "target",
        "file": str(path),
        "place": "targets.web.settings.php.children",
    }
    assert set(settings()) < set(targets["web"])


def test_the_table_reads_like_this(
    path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "7")
    assert main(["show", "web", "--data", "php.children=3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "web"
    rows = {line.split()[0]: line.split(maxsplit=2)[1:] for line in lines[1:]}
    assert rows["prometheus.retention_days"] == ["7", f"the environment: {VARIABLE}"]
    assert rows["php.children"] == ["3", "--data: php.children"]
    assert rows["ssh.sudo"] == ["true", "built in"]
    assert rows["php.versions"][1].endswith("configs/defaults.yaml")
    assert rows["address"][1] == f"{path}: targets.web.address"


def test_stated_hardware_is_shown_where_there_is_some(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path.write_text(path.read_text().replace("10.0.0.1}", "10.0.0.1, specs: {cpu: 2}}"))
    targets = shown(capsys)
    assert targets["watch"]["specs.cpu"]["value"] == 2
    assert not [key for key in targets["web"] if key.startswith("specs")]


def test_the_example_can_be_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("CHOM_INVENTORY", raising=False)
    assert list(shown(capsys)) == ["observability", "vpsmanager"]


@pytest.mark.parametrize(
    ("name", "remedy"), [("wep", "did you mean web?"), ("qqq", "name one of these")]
)
def test_an_unknown_target(
    path: Path, capsys: pytest.CaptureFixture[str], name: str, remedy: str
) -> None:
    assert main(["show", name]) == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert f"no target {name}" in output.err
    assert "one of: watch, web" in output.err
    assert remedy in output.err


def test_check_takes_data_too(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--data", "php.children=4"]) == 0
    assert main(["check", "--data", "php.children=0"]) == 1
    assert "--data" in capsys.readouterr().out


def test_no_secret_is_ever_shown(
    path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".secrets.env").write_text("A=geheim\n")
    monkeypatch.setenv("CHOM_SECRETS_FILE", str(tmp_path / ".secrets.env"))
    monkeypatch.setenv("CHOM_SUDO_PASSWORD", "geheim")
    assert main(["show"]) == 0
    output = capsys.readouterr()
    assert "geheim" not in output.out + output.err
