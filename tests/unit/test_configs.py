"""Loading: what is merged from where, and what is refused."""

import hashlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import configs
from configs import Configuration, ConfigurationError, Problem
from configs.__main__ import main
from configs.paths import PROJECT
from configs.versions import load_versions
from tests.unit.keys import PRIVATE_KEY

Load = Callable[[str], Configuration]
Refuse = Callable[[str], list[Problem]]

PIN = load_versions().pins.prometheus.version
SSH = "ssh: {{user: deploy, key: {key}, known_hosts: {hosts}}}\n"
TARGETS = """
targets:
  watch: {role: observability, address: 10.0.0.1}
  web: {role: vpsmanager, address: 10.0.0.2}
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "key").write_text(PRIVATE_KEY)
    (tmp_path / "key").chmod(0o600)
    (tmp_path / "hosts").write_text("")
    return tmp_path


@pytest.fixture
def ssh(home: Path) -> str:
    return SSH.format(key=home / "key", hosts=home / "hosts")


@pytest.fixture
def load(home: Path) -> Load:
    def load(text: str) -> Configuration:
        path = home / "inventory.yaml"
        path.write_text(text)
        return configs.load(path, environ={})

    return load


@pytest.fixture
def refuse(load: Load) -> Refuse:
    def refuse(text: str) -> list[Problem]:
        with pytest.raises(ConfigurationError) as refused:
            load(text)
        return refused.value.problems

    return refuse


def only(problems: list[Problem]) -> Problem:
    assert len(problems) == 1, problems
    return problems[0]


# What is merged from where


def test_targets_come_in_the_files_order_with_all_defaults(load: Load, ssh: str) -> None:
    configuration = load(ssh + TARGETS)
    assert list(configuration.targets) == ["watch", "web"]
    web = configuration.targets["web"]
    assert (web.name, web.role, web.address, web.specs) == ("web", "vpsmanager", "10.0.0.2", None)
    assert (web.ssh.user, web.ssh.port, web.ssh.sudo, web.ssh.sudo_password) == (
        "deploy",
        22,
        True,
        False,
    )
    assert web.settings.php.versions == ("8.4",)
    assert web.settings.prometheus.retention_size_mb is None
    assert web.settings.preflight.of("observability").memory_mb == 1800
    assert web.settings.preflight.of("vpsmanager").memory_mb == 900


def test_a_target_goes_before_the_common_settings_and_those_before_the_defaults(
    load: Load, ssh: str
) -> None:
    configuration = load(
        ssh
        + """
targets:
  watch: {role: observability, address: 10.0.0.1}
  web:
    role: vpsmanager
    address: 10.0.0.2
    ssh: {port: 2222, user: root}
    settings: {php: {children: 20}, redis: {cache_memory_mb: null}}
settings: {php: {children: 10, child_memory_mb: 80}, redis: {cache_memory_mb: 99}}
"""
    )
    watch, web = configuration.targets["watch"], configuration.targets["web"]
    assert (watch.settings.php.children, watch.settings.redis.cache_memory_mb) == (10, 99)
    assert (web.settings.php.children, web.settings.redis.cache_memory_mb) == (20, None)
    assert web.settings.php.child_memory_mb == 80
    assert web.settings.nginx == watch.settings.nginx
    assert (watch.ssh.port, web.ssh.port) == (22, 2222)
    assert (watch.ssh.sudo, web.ssh.sudo) == (True, False)
    assert watch.ssh.key == web.ssh.key


def test_a_section_without_content_says_nothing(load: Load, ssh: str) -> None:
    text = ssh + TARGETS + "settings:\n  php:\n  nginx:\n"
    assert load(text).targets["web"].settings.php.versions == ("8.4",)


def test_no_settings_and_no_ssh_of_its_own_are_fine(load: Load, ssh: str) -> None:
    text = (ssh + TARGETS).replace("10.0.0.2}", "10.0.0.2, ssh: null, settings: null}")
    assert load(text + "settings:\n").targets["web"].ssh.user == "deploy"


def test_checksums_are_replaced_and_never_mixed(load: Load, ssh: str) -> None:
    text = "settings: {prometheus: {version: 3.9.0, sha256: {amd64: %s}}}" % ("a" * 64)
    prometheus = load(ssh + TARGETS + text).targets["watch"].settings.prometheus
    assert prometheus.sha256 == {"amd64": "a" * 64}
    assert prometheus.base_url.startswith("https://github.com/")


def test_another_version_needs_its_own_checksums(refuse: Refuse, ssh: str) -> None:
    problem = only(refuse(ssh + TARGETS + "settings: {prometheus: {version: 3.9.0}}"))
    assert problem.key == "settings.prometheus.version"
    assert f"the known checksums belong to {PIN}" in problem.found
    assert "prometheus.sha256" in problem.remedy


def test_a_targets_own_version_needs_its_own_checksums(refuse: Refuse, ssh: str) -> None:
    text = TARGETS.replace("10.0.0.1}", "10.0.0.1, settings: {prometheus: {version: 4.0.0}}}")
    common = "settings: {prometheus: {version: 3.9.0, sha256: {arm64: %s}}}" % ("b" * 64)
    problem = only(refuse(ssh + text + common))
    assert problem.key == "targets.watch.settings.prometheus.version"
    assert "belong to 3.9.0" in problem.found


def test_a_refused_version_below_says_nothing_about_the_checksums(refuse: Refuse, ssh: str) -> None:
    text = TARGETS.replace("10.0.0.1}", "10.0.0.1, settings: {prometheus: {version: 4.0.0}}}")
    problem = only(refuse(ssh + text + "settings: {prometheus: {version: 3.9}}"))
    assert problem.key == "settings.prometheus.version"


def test_the_pinned_version_may_be_repeated(load: Load, ssh: str) -> None:
    load(ssh + TARGETS + f"settings: {{prometheus: {{version: {PIN}}}}}")


def test_values_are_brought_to_one_form(load: Load, ssh: str) -> None:
    text = TARGETS.replace("10.0.0.1", "FD00:0::1").replace("10.0.0.2", "Web.Example.ORG")
    settings = """
settings:
  network: {admin_networks: [10.1.0.0/16, 10.9.9.9, "fd00:0::/32"]}
  prometheus: {base_url: "http://mirror.lan:8080/prometheus/"}
"""
    targets = load(ssh + text + settings).targets
    assert targets["watch"].address == "fd00::1"
    assert targets["web"].address == "web.example.org"
    web = targets["web"].settings
    assert web.network.admin_networks == ("10.1.0.0/16", "10.9.9.9/32", "fd00::/32")
    assert web.prometheus.base_url == "http://mirror.lan:8080/prometheus"


def test_paths_do_not_depend_on_the_current_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert configs.Ssh().key_path == PROJECT / "keys" / "chom_deploy_key"
    assert configs.Ssh().known_hosts_path == Path("/home/me/.ssh/known_hosts")
    assert configs.Ssh(key="/etc/key").key_path == Path("/etc/key")


def test_the_environment_names_the_inventory(home: Path, load: Load, ssh: str) -> None:
    load(ssh + TARGETS)
    path = home / "inventory.yaml"
    configuration = configs.load(environ={"CHOM_INVENTORY": str(path)})
    assert configuration.inventory_path == path
    assert configuration.inventory_sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_configuration_is_fixed(load: Load, ssh: str) -> None:
    with pytest.raises(ValueError, match="frozen"):
        load(ssh + TARGETS).targets["web"].address = "10.0.0.3"


def test_yaml_anchors_and_merge_keys_are_understood(load: Load, ssh: str) -> None:
    text = """
targets:
  watch: &one {role: observability, address: 10.0.0.1, settings: &tuned {php: {children: 7}}}
  web: {<<: *one, role: vpsmanager, address: 10.0.0.2}
  more: {role: vpsmanager, address: 10.0.0.3, settings: *tuned}
"""
    targets = load(ssh + text).targets
    assert targets["web"].role == "vpsmanager"
    assert [target.settings.php.children for target in targets.values()] == [7, 7, 7]


# The shipped example


def test_the_example_is_refused_with_both_remedies() -> None:
    with pytest.raises(ConfigurationError) as refused:
        configs.load(environ={})
    problems = refused.value.problems
    assert [problem.key for problem in problems] == [
        "targets.observability.address",
        "targets.vpsmanager.address",
    ]
    for problem in problems:
        assert "203.0.113.0/24" in problem.found
        assert "CHOM_INVENTORY" in problem.remedy
        assert "make demo" in problem.remedy


def test_the_example_is_valid_but_for_its_addresses() -> None:
    targets = configs.load(environ={}, allow_example=True).targets
    assert [target.role for target in targets.values()] == ["observability", "vpsmanager"]
    assert targets["observability"].settings.prometheus.retention_days == 30


@pytest.mark.parametrize("address", ["192.0.2.1", "198.51.100.7", "2001:db8::5"])
def test_every_documentation_network_is_refused(refuse: Refuse, ssh: str, address: str) -> None:
    problem = only(refuse(ssh + TARGETS.replace("10.0.0.2", f'"{address}"')))
    assert address in problem.found


def test_an_example_is_not_asked_for_its_key(refuse: Refuse) -> None:
    text = TARGETS.replace("10.0.0.1", "192.0.2.1").replace("10.0.0.2", "192.0.2.2")
    problems = refuse("ssh: {key: /nowhere/key, known_hosts: /nowhere/hosts}" + text)
    assert {problem.key for problem in problems} == {
        "targets.watch.address",
        "targets.web.address",
    }


# What is wrong with a value


@pytest.mark.parametrize(
    ("settings", "key", "found", "expected", "remedy"),
    [
        ("nginx: {worker_connections: 1}", "nginx.worker_connections", "1",
         "a whole number from 16 to 65535", "use the default, 8192"),
        ("redis: {cache_memory_mb: '9'}", "redis.cache_memory_mb", '"9"',
         "a whole number from 4 to 16777216, or null", "null to follow the detected hardware"),
        ("prometheus: {retention_size_mb: 0}", "prometheus.retention_size_mb", "0",
         "a whole number from 1 to 16777216, or null", "null to follow"),
        ("apt: {unattended_upgrades: 1}", "apt.unattended_upgrades", "1",
         "true or false", "use the default, true"),
        ("apt: {mirror: ftp://x}", "apt.mirror", '"ftp://x"', "http:// or https://", "or null"),
        ("apt: {mirror: 'https://me:geheim@x'}", "apt.mirror", '"https://***@x"',
         "without a user name or password", "or null"),
        ("redis: {cache_eviction: lru}", "redis.cache_eviction", '"lru"',
         "one of: noeviction, allkeys-lru,", 'use the default, "allkeys-lru"'),
        ("php: {versions: [8.4]}", "php.versions[0]", "8.4", "in quotes", 'such as ["8.4"'),
        ("php: {versions: []}", "php.versions", "a list of 0", "a list of PHP versions", '["8.4"'),
        ("php: {default: 8.4}", "php.default", "8.4", "in quotes", 'such as "8.4"'),
        ("prometheus: {version: 2024-02-03}", "prometheus.version", "2024-02-03", "in quotes",
         "in quotes"),
        ("prometheus: {sha256: {amd64: abc}}", "prometheus.sha256.amd64", '"abc"',
         "64 hexadecimal digits", "sha256sums.txt"),
        ("prometheus: {sha256: {}}", "prometheus.sha256", "an empty section",
         "amd64, arm64 or both", "sha256sums.txt"),
        ("prometheus: {sha256: {riscv: %s}}" % ("a" * 64), "prometheus.sha256.riscv",
         'the name "riscv"', "amd64, arm64 or both", "rename it"),
        ("network: {admin_networks: [10.0.0.0/8, 10.0.0.1/8]}", "network.admin_networks[1]",
         '"10.0.0.1/8"', "no bits set after the prefix", "address/prefix"),
        ("network: {admin_networks: 10.0.0.0/8}", "network.admin_networks", '"10.0.0.0/8"',
         "a list of networks", "address/prefix"),
        ("apps: {mysql: {}}", "apps.mysql", 'the name "mysql"', "the system's own", "rename it"),
        ("apps: {shop: {domain: 'a;b'}}", "apps.shop.domain", '"a;b"', "host names", "or _"),
        ("portal: {server_name: 'a;b'}", "portal.server_name", '"a;b"', "host names", "or _"),
        ("php: 5", "php", "5", "a section with any of: versions, default", "correct it"),
        ("php: [1, 2]", "php", "a list of 2", "a section", "correct it"),
        ("nginx: {client_max_body_mb: {a: 1}}", "nginx.client_max_body_mb", "a section with a",
         "a whole number from 1 to 10240", "64"),
        ("nginx: {client_max_body_mb: null}", "nginx.client_max_body_mb", "nothing (null)",
         "a whole number from 1 to 10240", "64"),
        ("prometheus: {retention_day: 3}", "prometheus.retention_day", "an unknown key",
         "one of: version,", "did you mean retention_days?"),
        ('php: {default: "8.4\\e[1m"}', "php.default", '"8.4?[1m"', "in quotes", "in quotes"),
        ('php: {versions: ["8.0"]}', "php.versions[0]", '"8.0"', 'from "8.1" on: the FPM',
         "in quotes"),
        ('php: {default: "7.4"}', "php.default", '"7.4"', "one of php.versions", "in quotes"),
        ('apps: {shop: {php: "7.4"}}', "apps.shop.php", '"7.4"', "no metrics page", "in quotes"),
        ("grafana: {data_sources: [My SQL]}", "grafana.data_sources[0]", '"My SQL"',
         "a list of ids such as mysql", "as Grafana's page of plugins has them"),
        ("influxdb: {}", "influxdb", "an unknown key", "one of: apt,", "remove it"),
        ("smtp_password: geheim", "smtp_password", "an unknown key", "one of: apt",
         "configs/.secrets.env"),
        ("smtp: {password: geheim}", "smtp.password", "an unknown key", "one of: host, port,",
         "configs/.secrets.env: python -m configs secrets set SMTP_PASSWORD"),
        ("php: {api_token: geheim}", "php.api_token", "an unknown key", "one of: versions,",
         "secrets belong in configs/.secrets.env"),
        ("smtp: {host: 'a b'}", "smtp.host", '"a b"', "a host name, or null", "or null"),
        ("smtp: {port: 0}", "smtp.port", "0", "a whole number from 1 to 65535", "587"),
        ("smtp: {username: 12}", "smtp.username", "12", "on one line, or null", "in quotes"),
        ('smtp: {username: "a\\nb"}', "smtp.username", '"a…"', "on one line", "in quotes"),
        ('smtp: {username: "a\\e[1m"}', "smtp.username", '"a?[1m"', "on one line", "in quotes"),
        ("smtp: {username: ''}", "smtp.username", '""', "on one line", "without a login"),
        ("smtp: {username: %s}" % ("x" * 321), "smtp.username", f'"{"x" * 60}…"',
         "at most 320 characters", "in quotes"),
        ("smtp: {sender: Ops <a@b.org>}", "smtp.sender", '"Ops <a@b.org>"',
         "an email address such as alerts@example.org, or null", "without a name"),
        ("smtp: {starttls: null}", "smtp.starttls", "nothing (null)", "true or false",
         "use the default, true"),
        ("alertmanager: {email_to: a@b.org}", "alertmanager.email_to", '"a@b.org"',
         "a list, each item an email address", "[alerts@example.org]"),
        ("alertmanager: {email_to: null}", "alertmanager.email_to", "nothing (null)",
         "a list, each item an email address", "[alerts@example.org]"),
    ],
)  # fmt: skip
def test_a_wrong_setting_says_where_and_what_to_do(
    refuse: Refuse, ssh: str, settings: str, key: str, found: str, expected: str, remedy: str
) -> None:
    problem = only(refuse(f"{ssh}{TARGETS}settings: {{{settings}}}"))
    assert problem.file.endswith("inventory.yaml")
    assert problem.key == f"settings.{key}"
    assert problem.found == found
    assert expected in problem.expected
    assert remedy in problem.remedy
    assert "geheim" not in str(problem)


@pytest.mark.parametrize(
    "address",
    ["", "a", "a@", "@b.org", "a b@c.org", "a@b c", "a@b.org, c@d.org", "a@b.org\\n", "\\na@b.org",
     "a@-b.org", "a@b..org", "a@b.org.", "a\\0@b.org", "{{a}}@b.org", "x" * 65 + "@b.org",
     "a@" + "b." * 126 + "org"],
)  # fmt: skip
def test_what_is_no_email_address(refuse: Refuse, ssh: str, address: str) -> None:
    mail = f'smtp: {{host: h, sender: a@b.org}}, alertmanager: {{email_to: [a@b.org, "{address}"]}}'
    problem = only(refuse(f"{ssh}{TARGETS}settings: {{{mail}}}"))
    assert problem.key == "settings.alertmanager.email_to[1]"
    assert problem.expected == "a list, each item an email address such as alerts@example.org"


@pytest.mark.parametrize(
    ("entry", "key", "found", "remedy"),
    [
        ("role: observer, address: 10.0.0.3", "role", '"observer"', "vpsmanager"),
        ("address: 10.0.0.3", "role", "nothing", "vpsmanager"),
        ("role: vpsmanager", "address", "nothing", "the server's address"),
        ("role: vpsmanager, address: 10.0.0.300", "address", '"10.0.0.300"', "provider"),
        ("role: vpsmanager, address: 12", "address", "12", "provider"),
        ("role: vpsmanager, address: a_b", "address", '"a_b"', "provider"),
        ("role: vpsmanager, address: 10.0.0.3, specs: {cpu: many}", "specs.cpu", '"many"',
         "remove the line"),
        ("role: vpsmanager, address: 10.0.0.3, name: x", "name", "an unknown key", "remove it"),
        ("role: vpsmanager, adress: 10.0.0.3, address: a", "adress", "an unknown key",
         "did you mean address?"),
        ("role: vpsmanager, address: a, ssh: {port: 70000}", "ssh.port", "70000", "usually 22"),
        ("role: vpsmanager, address: a, ssh: {user: 'A b'}", "ssh.user", '"A b"', "the user"),
        ("role: vpsmanager, address: a, ssh: {sudo: 'yes'}", "ssh.sudo", "text", "correct it"),
        ("role: vpsmanager, address: a, ssh: {sudo_password: geheim}", "ssh.sudo_password",
         "text", "never belongs in this file"),
        ("role: vpsmanager, address: a, ssh: {key: \"-----\\ngeheim\"}", "ssh.key", '"-----…"',
         "the path of the private key"),
        ("role: vpsmanager, address: a, ssh: {known_hosts: 4}", "ssh.known_hosts", "4",
         "~/.ssh/known_hosts"),
    ],
)  # fmt: skip
def test_a_wrong_target_says_where_and_what_to_do(
    refuse: Refuse, ssh: str, entry: str, key: str, found: str, remedy: str
) -> None:
    problem = only(refuse(f"{ssh}{TARGETS}  more: {{{entry}}}\n"))
    assert problem.key == f"targets.more.{key}"
    assert problem.found == found
    assert remedy in problem.remedy
    assert "geheim" not in str(problem)


@pytest.mark.parametrize(
    ("targets", "key", "found"),
    [
        ("", "targets", "nothing"),
        ("targets:\n", "targets", "nothing (null)"),
        ("targets: {}\n", "targets", "an empty section"),
        ("targets: [a, b]\n", "targets", "a list of 2"),
        (TARGETS + "  Three: {role: vpsmanager, address: 10.0.0.3}", "targets.Three",
         'the name "Three"'),
        (TARGETS + "  8080: {role: vpsmanager, address: 10.0.0.3}", "targets.8080",
         'the name "8080"'),
        (TARGETS + "  three:", "targets.three", "nothing (null)"),
        (TARGETS + "target: 1", "target", "an unknown key"),
        (TARGETS + "settings: 1", "settings", "1"),
    ],
)  # fmt: skip
def test_targets_must_be_named_sections(
    refuse: Refuse, ssh: str, targets: str, key: str, found: str
) -> None:
    problem = only(refuse(ssh + targets))
    assert (problem.key, problem.found) == (key, found)


def test_a_common_value_is_refused_once_and_where_it_is_written(refuse: Refuse, ssh: str) -> None:
    text = ssh.replace("deploy,", "deploy, port: 0,") + TARGETS + "settings: {php: {children: 0}}"
    assert [problem.key for problem in refuse(text)] == ["ssh.port", "settings.php.children"]


def test_a_misshapen_common_section_does_not_spoil_the_targets(refuse: Refuse, ssh: str) -> None:
    text = TARGETS.replace("10.0.0.2}", "10.0.0.2, settings: {php: {children: 3}}}")
    assert only(refuse(ssh + text + "settings: {php: 5}")).key == "settings.php"


def test_a_problem_of_the_defaults_names_their_file(
    monkeypatch: pytest.MonkeyPatch, home: Path, refuse: Refuse, ssh: str
) -> None:
    broken = home / "defaults.yaml"
    text = (PROJECT / "configs" / "defaults.yaml").read_text()
    broken.write_text(text.replace("worker_connections: 8192", "worker_connections: 0"))
    monkeypatch.setattr("configs.loader.DEFAULTS", broken)
    problem = only(refuse(ssh + TARGETS))
    assert problem.file.endswith("defaults.yaml")
    assert problem.key == "nginx.worker_connections"
    assert "undo the change" in problem.remedy


def test_missing_defaults_are_a_problem_of_their_file(
    monkeypatch: pytest.MonkeyPatch, home: Path, refuse: Refuse, ssh: str
) -> None:
    monkeypatch.setattr("configs.loader.DEFAULTS", home / "defaults.yaml")
    problem = only(refuse(ssh + TARGETS))
    assert (problem.file, problem.found) == (str(home / "defaults.yaml"), "no such file")
    assert "as it was released" in problem.remedy


# What is wrong between values


def test_two_observability_targets(refuse: Refuse, ssh: str) -> None:
    more = TARGETS + "  more: {role: observability, address: 10.0.0.3}\n"
    problem = only(refuse(ssh + more))
    assert problem.key == "targets.more.role"
    assert "which watch already is" in problem.found


@pytest.mark.parametrize("role", ["observability", "vpsmanager"])
def test_a_role_that_nobody_has(refuse: Refuse, ssh: str, role: str) -> None:
    text = f"targets:\n  one: {{role: {role}, address: 10.0.0.1}}\n"
    problem = only(refuse(ssh + text))
    assert problem.key == "targets"
    assert problem.found.startswith("no target with the role")
    assert role not in problem.found


def test_the_same_address_twice(refuse: Refuse, ssh: str) -> None:
    problem = only(refuse(ssh + TARGETS.replace("10.0.0.2", "10.0.0.1")))
    assert problem.key == "targets.web.address"
    assert problem.found == "10.0.0.1 with port 22, which watch has"


def test_one_address_with_two_ports_is_fine(load: Load, ssh: str) -> None:
    load(ssh + TARGETS.replace("10.0.0.2}", "10.0.0.1, ssh: {port: 2222}}"))


# Mail


def test_without_a_word_about_mail_none_is_sent(load: Load, ssh: str) -> None:
    settings = load(ssh + TARGETS).targets["watch"].settings
    assert (settings.smtp.host, settings.smtp.port, settings.smtp.starttls) == (None, 587, True)
    assert settings.alertmanager.email_to == ()


@pytest.mark.parametrize(
    "smtp",
    [
        "{host: Smtp.Example.ORG, username: a.b+c@example.org}",
        "{host: smtp.example.org, sender: root@localhost}",
        "{host: smtp.example.org, sender: a@b.org, username: 'any text: ä, €'}",
    ],
)
def test_mail_that_can_be_sent(load: Load, ssh: str, smtp: str) -> None:
    mail = f"settings: {{smtp: {smtp}, alertmanager: {{email_to: [a@b.org, c@d.org]}}}}"
    settings = load(ssh + TARGETS + mail).targets["watch"].settings
    assert settings.smtp.host == "smtp.example.org"
    assert settings.alertmanager.email_to == ("a@b.org", "c@d.org")


@pytest.mark.parametrize(
    ("settings", "key", "found", "expected", "remedy"),
    [
        ("alertmanager: {email_to: [a@b.org, c@d.org]}", "alertmanager.email_to",
         "a list of 2, and no mail server: smtp.host is null", "or an empty list",
         "write smtp.host"),
        ("smtp: {host: h, sender: a@b.org}", "smtp.host",
         '"h", and nobody who would get a mail: alertmanager.email_to is empty',
         "at least one address", "or remove smtp.host"),
        ("smtp: {host: h}, alertmanager: {email_to: [a@b.org]}", "smtp.host",
         '"h", and no sender: smtp.sender and smtp.username are null', "as smtp.sender, or as",
         "into smtp.sender"),
        ("smtp: {host: h, username: me}, alertmanager: {email_to: [a@b.org]}", "smtp.username",
         '"me", which is no email address, and smtp.sender is null', "as smtp.sender, or as",
         "into smtp.sender"),
    ],
)  # fmt: skip
def test_mail_that_could_not_be_sent(
    refuse: Refuse, ssh: str, settings: str, key: str, found: str, expected: str, remedy: str
) -> None:
    problem = only(refuse(f"{ssh}{TARGETS}settings: {{{settings}}}"))
    assert (problem.key, problem.found) == (f"settings.{key}", found)
    assert expected in problem.expected
    assert remedy in problem.remedy


def test_everything_that_mail_lacks_is_said_at_once(refuse: Refuse, ssh: str) -> None:
    text = TARGETS.replace("10.0.0.1}", "10.0.0.1, settings: {smtp: {username: me}}}")
    problems = refuse(ssh + text + "settings: {smtp: {host: h}}")
    assert [problem.key for problem in problems] == [
        "settings.smtp.host",
        "targets.watch.settings.smtp.username",
    ]


@pytest.mark.parametrize(
    ("settings", "keys"),
    [
        ("smtp: {host: '-', sender: a@b.org}", ["smtp.host"]),
        ("smtp: {host: h, username: '', sender: null}, alertmanager: {email_to: [a@b.org]}",
         ["smtp.username"]),
        ("smtp: 5, alertmanager: {email_to: [a@b.org]}", ["smtp"]),
        ("smtp: {host: h, sender: a b}, alertmanager: {email_to: [a]}",
         ["smtp.sender", "alertmanager.email_to[0]"]),
    ],
)  # fmt: skip
def test_a_refused_mail_setting_is_said_once(
    refuse: Refuse, ssh: str, settings: str, keys: list[str]
) -> None:
    text = TARGETS.replace("10.0.0.1}", f"10.0.0.1, settings: {{{settings}}}}}")
    assert [problem.key for problem in refuse(ssh + text)] == [
        f"targets.watch.settings.{key}" for key in keys
    ]


def test_a_target_that_sends_no_mail_may_have_any_mail_settings(load: Load, ssh: str) -> None:
    text = TARGETS.replace("10.0.0.2}", "10.0.0.2, settings: {smtp: {host: h, username: me}}}")
    assert load(ssh + text).targets["web"].settings.smtp.host == "h"


# Keys


def test_no_key(refuse: Refuse, home: Path, ssh: str) -> None:
    (home / "key").unlink()
    problem = only(refuse(ssh + TARGETS))
    assert problem.key == "ssh.key"
    assert f"ssh-keygen -t ed25519 -f {home}/key\n" in problem.remedy


def test_a_folder_in_place_of_the_key(refuse: Refuse, home: Path, ssh: str) -> None:
    problem = only(refuse(ssh.replace(str(home / "key"), str(home)) + TARGETS))
    assert problem.found == f"{home}: a folder"


def test_the_public_key_in_place_of_the_private_one(refuse: Refuse, home: Path, ssh: str) -> None:
    (home / "key").rename(home / "key.pub")
    problem = only(refuse(ssh.replace("/key,", "/key.pub,") + TARGETS))
    assert problem.remedy == f"write {home}/key"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_key_open_to_others(refuse: Refuse, home: Path, ssh: str, mode: int) -> None:
    (home / "key").chmod(mode)
    problem = only(refuse(ssh + TARGETS))
    assert f"mode {mode:04o}" in problem.found
    assert problem.remedy == f"chmod 600 {home}/key"


def test_the_keys_default_place_is_named_as_one_types_it(
    monkeypatch: pytest.MonkeyPatch, home: Path, refuse: Refuse
) -> None:
    monkeypatch.setattr("configs.paths.PROJECT", home)
    monkeypatch.chdir(home)
    problem = only(refuse(f"ssh: {{known_hosts: {home}/hosts}}" + TARGETS))
    assert problem.key == "ssh.key"
    assert problem.found == "keys/chom_deploy_key: no such file"
    command = "mkdir -p -m 700 keys && ssh-keygen -t ed25519 -f keys/chom_deploy_key\n"
    assert problem.remedy.startswith(command)


def test_no_known_hosts(refuse: Refuse, home: Path, ssh: str) -> None:
    (home / "hosts").unlink()
    text = TARGETS.replace("10.0.0.2}", "10.0.0.2, ssh: {port: 2222}}")
    problem = only(refuse(ssh + text))
    assert problem.key == "ssh.known_hosts"
    assert f"ssh-keyscan -p 22 10.0.0.1 >> {home}/hosts" in problem.remedy
    assert f"ssh-keyscan -p 2222 10.0.0.2 >> {home}/hosts" in problem.remedy
    assert problem.remedy.index("fingerprints") < problem.remedy.index(">>")


def test_known_hosts_below_the_home_folder(
    monkeypatch: pytest.MonkeyPatch, refuse: Refuse, home: Path
) -> None:
    monkeypatch.setenv("HOME", str(home))
    problem = only(refuse(f"ssh: {{key: {home}/key}}" + TARGETS))
    assert "mkdir -p -m 700 ~/.ssh && ssh-keyscan -p 22 10.0.0.1 >> ~/.ssh/known_hosts" in (
        problem.remedy
    )


def test_a_folder_in_place_of_known_hosts(refuse: Refuse, home: Path, ssh: str) -> None:
    problem = only(refuse(ssh.replace(str(home / "hosts"), str(home)) + TARGETS))
    assert (problem.key, problem.found) == ("ssh.known_hosts", f"{home}: a folder")


@pytest.mark.parametrize("name", ["key", "hosts"])
def test_a_path_through_a_file(refuse: Refuse, ssh: str, name: str) -> None:
    problem = only(refuse(ssh.replace(f"/{name}", f"/{name}/x") + TARGETS))
    assert problem.found.endswith(f"/{name}/x: not a directory")
    assert problem.remedy == "correct the path or its permissions"


def test_keys_that_one_may_not_read(
    monkeypatch: pytest.MonkeyPatch, refuse: Refuse, ssh: str
) -> None:
    monkeypatch.setattr("configs.keyfiles.os.access", lambda path, mode: False)
    problems = refuse(ssh + TARGETS)
    assert [problem.key for problem in problems] == ["ssh.key", "ssh.known_hosts"]
    assert all(problem.found.endswith(": permission denied") for problem in problems)


def test_a_device_in_place_of_the_key(refuse: Refuse, home: Path, ssh: str) -> None:
    problem = only(refuse(ssh.replace(str(home / "key"), "/dev/null") + TARGETS))
    assert problem.found == "/dev/null: not a plain file"


# What is wrong with the file


def test_no_inventory(home: Path) -> None:
    with pytest.raises(ConfigurationError) as refused:
        configs.load(home / "none.yaml")
    problem = only(refused.value.problems)
    assert (problem.found, problem.key) == ("no such file", "")
    assert "CHOM_INVENTORY" in problem.remedy


def test_a_folder_in_place_of_the_inventory(home: Path) -> None:
    with pytest.raises(ConfigurationError) as refused:
        configs.load(home)
    assert only(refused.value.problems).found == "is a directory"


@pytest.mark.parametrize(
    ("content", "key", "found"),
    [
        (b"", "", "an empty file"),
        (b"# nothing\n", "", "an empty file"),
        (b"- a\n", "", "no keys at its top level"),
        (b"text", "", "no keys at its top level"),
        (b"a: b\nc: \xff\n", "line 2", "bytes that are not UTF-8"),
        (b"a: b\n\tc: d\n", "line 2, column 1", "tab"),
        (b"a: [b\n", "line 2, column 1", "',' or ']'"),
        (b"a: 1\n---\nb: 2\n", "line 2, column 1", "another document"),
        (b"a: *geheim\n", "line 1, column 4", "alias"),
        (b"a: !geheim x\n", "line 1, column 4", "could not determine a constructor"),
        (b"a: &a [*a]\n", "line 1, column 4", "an alias inside itself"),
        (b"[a]: 1\n", "line 1, column 1", "in place of a key"),
        (b"a: \x01\n", "", "control characters"),
    ],
)
def test_a_file_that_cannot_be_used(home: Path, content: bytes, key: str, found: str) -> None:
    path = home / "inventory.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError) as refused:
        configs.load(path)
    problem = only(refused.value.problems)
    assert problem.key == key
    assert found in problem.found
    assert "geheim" not in str(refused.value)


def test_a_key_written_twice(refuse: Refuse, ssh: str) -> None:
    problem = only(refuse(ssh + TARGETS + "settings:\n  php: {children: 2,\n    children: 3}\n"))
    assert problem.key == "settings.php.children"
    assert problem.found == "the same key on lines 7 and 8"


def test_a_date_that_is_none_is_a_wrong_value_and_no_crash(refuse: Refuse, ssh: str) -> None:
    problem = only(refuse(ssh + TARGETS + "settings: {php: {default: 2024-13-45}}"))
    assert problem.found == '"2024-13-45"'


# The report

BROKEN = """
ssh: {{user: deploy, prot: 22, key: {home}/key, known_hosts: {home}/hosts}}
targets:
  watch: {{role: observability, address: 203.0.113.10, ssh: {{port: 70000}}}}
  web: {{role: vpsmanager, address: 10.0.0.2, settings: {{php: {{children: 0}}}}}}
settings: {{redis: {{cache_eviction: lru}}}}
"""


def test_five_mistakes_are_five_problems(refuse: Refuse, home: Path) -> None:
    problems = refuse(BROKEN.format(home=home))
    assert {problem.key for problem in problems} == {
        "ssh.prot",
        "targets.watch.address",
        "targets.watch.ssh.port",
        "targets.web.settings.php.children",
        "settings.redis.cache_eviction",
    }
    assert len(problems) == 5


def test_the_report_reads_like_this(
    refuse: Refuse, home: Path, ssh: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(home)
    (home / "key").chmod(0o644)
    text = TARGETS.replace("10.0.0.2}", "10.0.0.2, ssh: {port: 70000}}")
    report = str(ConfigurationError(refuse(ssh + text)))
    assert (
        report
        == f"""\
2 problems in the settings; nothing was connected to, nothing was changed.

inventory.yaml
  targets.web.ssh.port
    found:    70000
    expected: a whole number from 1 to 65535
    do:       write the port sshd listens on, usually 22
  ssh.key
    found:    {home}/key: mode 0644, open to others than its owner
    expected: a key that only its owner can read: SSH refuses any other
    do:       chmod 600 key"""
    )


def test_a_report_of_one_whole_file_over_several_lines() -> None:
    problem = Problem("a.yaml", "", "x", "y", "one\ntwo")
    lines = str(ConfigurationError([problem])).splitlines()
    assert lines[0].startswith("1 problem in the settings;")
    assert lines[3] == "  the whole file"
    assert lines[-2:] == ["    do:       one", "              two"]


def test_problems_of_a_file_stand_together() -> None:
    problems = [Problem(file, "k", "x", "y", "z") for file in ("a", "b", "a")]
    assert str(ConfigurationError(problems)).splitlines().count("a") == 1


# The commands and the cost


def test_check_prints_ok_or_every_problem(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    home: Path,
    load: Load,
    ssh: str,
) -> None:
    load(ssh + TARGETS)
    monkeypatch.setenv("CHOM_INVENTORY", str(home / "inventory.yaml"))
    assert main(["check"]) == 0
    assert capsys.readouterr().out == "ok\n"
    (home / "key").unlink()
    assert main(["check"]) == 1
    assert "ssh-keygen" in capsys.readouterr().out


def test_check_without_the_key_says_so_and_is_content(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    home: Path,
    load: Load,
    ssh: str,
) -> None:
    """A pull request is checked where nobody may have the key."""
    load(ssh + TARGETS)
    monkeypatch.setenv("CHOM_INVENTORY", str(home / "inventory.yaml"))
    monkeypatch.setenv("CHOM_SECRETS_KEY_FILE", str(home / "secrets.key"))
    assert main(["secrets", "init"]) == 0
    (home / "secrets.key").unlink()
    capsys.readouterr()
    assert main(["check"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("ok\nnote: the secrets cannot be opened here")
    assert "secrets.key: no such file" in out and "export-key" in out


def test_configs_knows_nobody() -> None:
    names = "{'pyinfra', 'gevent', 'facts', 'tasks', 'state'}"
    code = f"import sys, configs; print(sorted({names} & sys.modules.keys()))"
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"
