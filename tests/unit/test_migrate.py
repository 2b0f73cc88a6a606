"""From version 4: every line accounted for, every secret encrypted, the old files untouched."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

import configs
from configs import ConfigurationError, Problem, Target
from configs.__main__ import main
from configs.documents import dotted
from configs.migration import convert, read_old_state
from configs.migration.rules import MAIL, MOVED, MOVED_AT_THE_TOP
from configs.overrides import settings
from configs.secrets import load_secrets
from tests.unit.keys import PRIVATE_KEY

OLD = """\
# CHOM Infrastructure Inventory
observability:
  hostname: obs.example.com
  ip: 10.0.0.1
  ssh_user: deploy
  ssh_port: 22
  specs:
    cpu: 1
    memory_mb: 2048
  components:
    - prometheus
    - grafana
  config:
    grafana_domain: grafana.example.com
    alertmanager_email: ops@chom.example
    retention_days: 45
    smtp:
      host: smtp.chom.example
      port: 587
      user: ""
      from: alerts@chom.example
      password: "geh$eim # 'x'"
vpsmanager:
  hostname: wp.example.com
  ip: 10.0.0.2
  ssh_user: deploy
  ssh_port: 2222
  config:
    php_versions: ["8.2", "8.4"]
    default_php: 8.4
    observability_server: obs.example.com
ssh_key_path: ./keys/chom_deploy_key
log_collector: alloy
"""
STATE = {
    "started_at": "2025-12-31T10:00:00Z",
    "status": "completed",
    "observability": {"status": "completed", "completed_at": "2025-12-31T10:15:00Z"},
    "vpsmanager": {"status": "failed", "updated_at": "2025-12-31T10:30:00Z"},
}

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "old" / "inventory.yaml"
    path.parent.mkdir()
    path.write_text(OLD)
    return path


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.setenv("CHOM_SECRETS_KEY_FILE", str(tmp_path / "home" / "secrets.key"))
    monkeypatch.delenv("CHOM_SECRETS_KEY", raising=False)

    def run(*arguments: object) -> tuple[int, str, str]:
        code = main(["migrate", *map(str, arguments), "--output", str(tmp_path / "new")])
        output = capsys.readouterr()
        assert "geh$eim" not in output.out + output.err
        return code, output.out, output.err

    return run


def refused(path: Path) -> list[Problem]:
    with pytest.raises(ConfigurationError) as refusal:
        convert(path)
    assert "geh$eim" not in str(refusal.value)
    return refusal.value.problems


def secrets(tmp_path: Path) -> dict[str, str]:
    loaded = load_secrets(tmp_path / "new" / ".secrets.env")
    return {name: secret.reveal() for name, secret in loaded.items()}


# What becomes of it


def test_the_new_inventory_is_complete(old: Path, run: Run, tmp_path: Path) -> None:
    assert run(old)[0] == 0
    assert yaml.safe_load((tmp_path / "new" / "inventory.yaml").read_text()) == {
        "ssh": {"user": "deploy", "key": "keys/chom_deploy_key"},
        "targets": {
            "observability": {
                "role": "observability",
                "address": "10.0.0.1",
                "ssh": {"port": 22},
                "settings": {
                    "alertmanager": {"email_to": ["ops@chom.example"]},
                    "prometheus": {"retention_days": 45},
                    "smtp": {
                        "host": "smtp.chom.example",
                        "port": 587,
                        "sender": "alerts@chom.example",
                    },
                },
            },
            "vpsmanager": {
                "role": "vpsmanager",
                "address": "10.0.0.2",
                "ssh": {"port": 2222},
                "settings": {"php": {"versions": ["8.2", "8.4"], "default": "8.4"}},
            },
        },
        "settings": {"logs": {"shipper": "alloy"}},
    }


def migrated(old: Path, run: Run, tmp_path: Path) -> dict[str, Target]:
    """The targets of the new inventory, once `python -m configs check` would accept it."""
    key = tmp_path / "key"
    key.write_text(PRIVATE_KEY)
    key.chmod(0o600)
    old.write_text(old.read_text().replace("./keys/chom_deploy_key", str(key)))
    assert run(old)[0] == 0
    path = tmp_path / "new" / "inventory.yaml"
    (tmp_path / "hosts").write_text("")
    path.write_text(
        path.read_text().replace("ssh:\n", f"ssh:\n  known_hosts: {tmp_path}/hosts\n", 1)
    )
    return configs.load(path, environ={}).targets


def test_the_new_inventory_loads(old: Path, run: Run, tmp_path: Path) -> None:
    targets = migrated(old, run, tmp_path)
    assert targets["vpsmanager"].ssh.port == 2222
    assert targets["observability"].settings.prometheus.retention_days == 45


def test_the_password_is_encrypted_and_nowhere_else(old: Path, run: Run, tmp_path: Path) -> None:
    run(old)
    assert secrets(tmp_path) == {"SMTP_PASSWORD": "geh$eim # 'x'"}
    for file in (tmp_path / "new").iterdir():
        assert "geh$eim" not in file.read_text()


def test_every_line_is_accounted_for(old: Path, run: Run) -> None:
    lines = {line["key"]: line for line in json.loads(run(old, "--json")[1])["lines"]}
    assert lines["observability.specs.cpu"] == {
        "line": 8,
        "key": "observability.specs.cpu",
        "fate": "dropped",
        "what": "the hardware is detected, and never older than the last run",
    }
    fates = {key: line["fate"] for key, line in lines.items()}
    assert fates["observability.config.smtp.password"] == "secret"
    assert [key for key, fate in fates.items() if fate == "moved"] == [
        "observability.ip",
        "observability.ssh_user",
        "observability.ssh_port",
        "observability.config.alertmanager_email",
        "observability.config.retention_days",
        "observability.config.smtp.host",
        "observability.config.smtp.port",
        "observability.config.smtp.from",
        "vpsmanager.ip",
        "vpsmanager.ssh_user",
        "vpsmanager.ssh_port",
        "vpsmanager.config.php_versions",
        "vpsmanager.config.default_php",
        "ssh_key_path",
        "log_collector",
    ]
    assert len(lines) == 24
    assert lines["vpsmanager.ssh_user"]["what"] == "ssh.user"
    assert lines["vpsmanager.ssh_port"]["what"] == "targets.vpsmanager.ssh.port"
    assert all(line["what"] for line in lines.values())
    assert lines["observability.config.smtp.user"]["what"] == "it is empty"


def test_the_report_says_what_to_do(old: Path, run: Run) -> None:
    code, out, err = run(old)
    assert (code, err) == (0, "")
    assert "line 8    observability.specs.cpu" in out
    assert "→ encrypted as SMTP_PASSWORD" in out
    assert "→ targets.observability.address" in out
    assert "→ settings.logs.shipper" in out
    assert "dropped: it is still the example that version 4 came with" in out
    assert "in every commit and copy of that file, in plain text" in out
    assert "python -m configs secrets set SMTP_PASSWORD" in out
    assert "python -m configs check" in out


def test_the_old_files_are_as_they_were(old: Path, run: Run) -> None:
    state = old.with_name("deployment.state")
    state.write_text(json.dumps(STATE))
    before = old.read_bytes(), state.read_bytes(), old.stat().st_mtime_ns, os.listdir(old.parent)
    run(old, state)
    after = old.read_bytes(), state.read_bytes(), old.stat().st_mtime_ns, os.listdir(old.parent)
    assert after == before


def test_every_place_of_the_rules_exists() -> None:
    for place in (MOVED | MOVED_AT_THE_TOP | MAIL).values():
        assert place[0] in ("address", "ssh") or dotted(place[1:]) in settings()


# Mail

SMTP = OLD[OLD.index("    smtp:\n") : OLD.index("vpsmanager:\n")]
EMAIL = "    alertmanager_email: ops@chom.example\n"


def with_mail(old: Path, smtp: str, email: str) -> Path:
    """The old inventory with these in place of its own mail settings, as YAML on one line."""
    text = OLD.replace(SMTP, f"    smtp: {smtp}\n").replace(EMAIL, f"    {email}\n")
    old.write_text(text)
    return old


def fates(old: Path, key: str) -> set[tuple[str, str]]:
    return {(line.fate, line.what) for line in convert(old).lines if key in line.key}


@pytest.mark.parametrize(
    ("smtp", "username", "sender"),
    [
        ("{host: h, user: a@b.org}", "a@b.org", None),
        ("{host: h, username: a@b.org}", "a@b.org", None),
        ("{host: h, user: 0123, from: c@d.org}", "0123", "c@d.org"),
        ("{host: h, user: '0123', sender: c@d.org}", "0123", "c@d.org"),
        ("{host: h, sender: c@d.org}", None, "c@d.org"),
    ],
)
def test_mail_settings_move(
    old: Path, run: Run, tmp_path: Path, smtp: str, username: str | None, sender: str | None
) -> None:
    settings = migrated(with_mail(old, smtp, "alertmanager_email: e@f.org"), run, tmp_path)
    mail = settings["observability"].settings.smtp
    assert (mail.host, mail.port, mail.username, mail.sender) == ("h", 587, username, sender)


@pytest.mark.parametrize(
    ("written", "addresses"),
    [
        ("a@b.org", ["a@b.org"]),
        ("' a@b.org , c@d.org;a@b.org,'", ["a@b.org", "c@d.org"]),
        ("[a@b.org, c@d.org]", ["a@b.org", "c@d.org"]),
        ("[a@b.org, '', null, alerts@example.com]", ["a@b.org"]),
    ],
)
def test_the_receivers_may_be_a_text_or_a_list(
    old: Path, written: str, addresses: list[str]
) -> None:
    with_mail(old, "{host: h, from: a@b.org}", f"alertmanager_email: {written}")
    settings = convert(old).inventory["targets"]["observability"]["settings"]
    assert settings["alertmanager"] == {"email_to": addresses}


@pytest.mark.parametrize(
    ("smtp", "email", "reason"),
    [
        ("{host: h, port: 25, user: a@b.org, password: x}", "alertmanager_email: ''",
         "alertmanager_email names nobody who would get it"),
        ("{host: h, port: 25, user: a@b.org, password: x}", "other: 1",
         "alertmanager_email names nobody who would get it"),
        ("{host: h, from: a@b.org, password: x}", "alertmanager_email: alerts@example.com",
         "alertmanager_email names nobody who would get it"),
        ("{port: 25, user: a@b.org, password: x}", "alertmanager_email: a@b.org",
         "smtp.host names no mail server"),
        ("{host: smtp.example.com, port: 25, password: x}", "alertmanager_email: a@b.org",
         "smtp.host names no mail server"),
        ("{port: 25, password: x}", "other: 1", "smtp.host names no mail server"),
        ("{host: h, user: me, password: x}", "alertmanager_email: a@b.org",
         "neither smtp.from nor smtp.user is an email address"),
        ("{host: h, password: x}", "other: 1",
         "alertmanager_email names nobody who would get it and neither smtp.from nor smtp.user is "
         "an email address"),
    ],
)  # fmt: skip
def test_mail_that_could_not_be_sent_is_left_out_with_the_reason(
    old: Path, run: Run, tmp_path: Path, smtp: str, email: str, reason: str
) -> None:
    targets = migrated(with_mail(old, smtp, email), run, tmp_path)
    settings = targets["observability"].settings
    assert (settings.smtp.host, settings.smtp.port, settings.smtp.username) == (None, 587, None)
    assert settings.alertmanager.email_to == ()
    written = {what for fate, what in fates(old, "config.") if what.startswith("no mail")}
    assert written == {f"no mail can be sent: {reason}"}
    assert secrets(tmp_path) == {"SMTP_PASSWORD": "x"}


def test_what_version_4_came_with_counts_as_empty(old: Path, run: Run, tmp_path: Path) -> None:
    template = "{host: smtp.example.com, port: 587, user: '', password: ''}"
    with_mail(old, template, "alertmanager_email: alerts@example.com")
    assert migrated(old, run, tmp_path)["observability"].settings.smtp.host is None
    example = {("dropped", "it is still the example that version 4 came with")}
    assert fates(old, "smtp.host") == fates(old, "alertmanager_email") == example
    assert not (tmp_path / "new" / ".secrets.env").exists()


def test_without_mail_there_are_no_mail_settings(old: Path) -> None:
    with_mail(old, "{}", "other: 1")
    settings = convert(old).inventory["targets"]["observability"]["settings"]
    assert settings == {"prometheus": {"retention_days": 45}}


def test_mail_of_the_other_host_does_not_move(old: Path) -> None:
    old.write_text(
        OLD.replace("    observability_server", "    smtp: {host: h}\n    observability_s")
    )
    assert fates(old, "vpsmanager.config.smtp.host") == {
        ("dropped", "the observability target alone sends mail")
    }


def test_the_same_said_twice_moves_once(old: Path) -> None:
    with_mail(old, "{host: h, user: a@b.org, username: me}", "alertmanager_email: a@b.org")
    assert convert(old).inventory["targets"]["observability"]["settings"]["smtp"] == {
        "host": "h",
        "username": "a@b.org",
    }
    assert fates(old, "smtp.username") == {
        ("dropped", "observability.config.smtp.user says it already")
    }


def test_what_mail_has_no_setting_for_is_dropped(old: Path) -> None:
    with_mail(old, "{host: h, from: a@b.org, tls: false}", "alertmanager_email: [{to: a@b.org}]")
    assert fates(old, "smtp.tls") == {("dropped", "there is no such setting for mail")}
    assert fates(old, "alertmanager_email") == {
        ("dropped", "there is no setting for it: an address is all there is")
    }


def test_the_mail_password_has_its_name_whatever_comes_before_it(old: Path) -> None:
    first, _, vpsmanager = OLD.partition("vpsmanager:\n")
    other = vpsmanager.replace("  config:\n", "  config:\n    smtp: {password: other}\n")
    old.write_text(f"smtp: {{password: old}}\nvpsmanager:\n{other}{first}")
    assert {name: secret.reveal() for name, secret in convert(old).secrets.items()} == {
        "OLD_SMTP_PASSWORD": "old",
        "VPSMANAGER_SMTP_PASSWORD": "other",
        "SMTP_PASSWORD": "geh$eim # 'x'",
    }


# Secrets wherever they stand


@pytest.mark.parametrize(
    ("addition", "expected"),
    [
        ("api_token: 0123", {"API_TOKEN": "0123"}),
        ("repository: https://me:geh$eim@git/x", {"REPOSITORY": "https://me:geh$eim@git/x"}),
        ("credentials: {user: me}", {"CREDENTIALS_USER": "me"}),
        ("passwords: [a, b]", {"PASSWORDS_0": "a", "PASSWORDS_1": "b"}),
        ("users: [{name: me, password: geh$eim}]", {"USERS_0_PASSWORD": "geh$eim"}),
        ('cert: "-----BEGIN RSA PRIVATE KEY-----"', {"CERT": "-----BEGIN RSA PRIVATE KEY-----"}),
        ("2fa_secret: x", {"OLD_2FA_SECRET": "x"}),
        ("smtp: {password: other}", {"OLD_SMTP_PASSWORD": "other"}),
        ("password: ''", {}),
        ("use_password: true", {}),
    ],
)
def test_every_secret_is_found(
    old: Path, run: Run, tmp_path: Path, addition: str, expected: dict[str, str]
) -> None:
    old.write_text(f"{OLD}{addition}\n")
    assert run(old)[0] == 0
    assert secrets(tmp_path) == {"SMTP_PASSWORD": "geh$eim # 'x'", **expected}


def test_both_hosts_may_have_a_secret_of_one_name(old: Path, run: Run, tmp_path: Path) -> None:
    smtp = "    smtp: {password: other}\n    observability_server"
    old.write_text(OLD.replace("    observability_server", smtp))
    run(old)
    assert secrets(tmp_path) == {
        "SMTP_PASSWORD": "geh$eim # 'x'",
        "VPSMANAGER_SMTP_PASSWORD": "other",
    }


def test_names_never_run_out(old: Path) -> None:
    more = "smtp: {password: b}\nOLD: {smtp: {password: c}}\nold-smtp: {password: d}\n"
    old.write_text(OLD + more)
    assert {name: secret.reveal() for name, secret in convert(old).secrets.items()} == {
        "SMTP_PASSWORD": "geh$eim # 'x'",
        "OLD_SMTP_PASSWORD": "b",
        "OLD_OLD_SMTP_PASSWORD": "c",
        "OLD_OLD_SMTP_PASSWORD_2": "d",
    }


def test_without_a_secret_no_file_and_no_key_is_made(old: Path, run: Run, tmp_path: Path) -> None:
    old.write_text(OLD.replace("\"geh$eim # 'x'\"", '""'))
    assert run(old)[0] == 0
    assert os.listdir(tmp_path / "new") == ["inventory.yaml"]
    assert not (tmp_path / "home").exists()


# What is there already


def test_twice_is_as_once(old: Path, run: Run, tmp_path: Path) -> None:
    run(old)
    before = {file.name: file.read_bytes() for file in (tmp_path / "new").iterdir()}
    assert run(old)[0] == 0
    assert {file.name: file.read_bytes() for file in (tmp_path / "new").iterdir()} == before


@pytest.mark.parametrize("content", [b"mine", b"\xff"])
def test_another_inventory_is_replaced_only_by_force(
    old: Path, run: Run, tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "new" / "inventory.yaml"
    path.parent.mkdir()
    path.write_bytes(content)
    code, out, err = run(old)
    assert (code, out) == (1, "")
    assert "a file that differs from the new inventory" in err
    assert "--force" in err
    assert path.read_bytes() == content
    assert os.listdir(path.parent) == ["inventory.yaml"]
    assert run(old, "--force")[0] == 0
    assert path.read_text().startswith("# Your servers")


def test_another_secret_is_replaced_only_by_force(old: Path, run: Run, tmp_path: Path) -> None:
    run(old)
    old.write_text(OLD.replace("geh$eim", "neues geh$eim"))
    code, _, err = run(old)
    assert code == 1
    assert "another value than the old inventory's" in err
    assert secrets(tmp_path)["SMTP_PASSWORD"] == "geh$eim # 'x'"
    assert run(old, "--force")[0] == 0
    assert secrets(tmp_path)["SMTP_PASSWORD"] == "neues geh$eim # 'x'"


def test_the_old_inventory_is_not_replaced_even_by_force(
    old: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["migrate", str(old), "--output", str(old.parent), "--force"])
    assert code == 1
    assert "the old inventory itself" in capsys.readouterr().err
    assert old.read_text() == OLD


def test_without_output_it_goes_where_the_settings_are(
    old: Path, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHOM_INVENTORY", str(tmp_path / "own" / "inventory.yaml"))
    monkeypatch.delenv("CHOM_SECRETS_FILE", raising=False)
    assert main(["migrate", str(old)]) == 0
    assert "targets:" in (tmp_path / "own" / "inventory.yaml").read_text()
    assert list(load_secrets(tmp_path / "own" / ".secrets.env")) == ["SMTP_PASSWORD"]


def test_a_folder_in_place_of_the_inventory(old: Path, run: Run, tmp_path: Path) -> None:
    (tmp_path / "new" / "inventory.yaml").mkdir(parents=True)
    code, _, err = run(old, "--force")
    assert code == 1
    assert "is a directory" in err


# What is wrong with the old files


@pytest.mark.parametrize(
    ("change", "key", "found"),
    [
        (("ip: 10.0.0.2", "ip: 0.0.0.0"), "vpsmanager.ip", "the placeholder 0.0.0.0"),
        (("  ip: 10.0.0.2\n", ""), "vpsmanager.ip", "no address"),
        (("ip: 10.0.0.2", "ip: 10.0.0.999"), "vpsmanager.ip", '"10.0.0.999"'),
        (("ssh_port: 2222", "ssh_port: 99999"), "vpsmanager.ssh_port", "99999"),
        (("ssh_user: deploy", "ssh_user: D D"), "vpsmanager.ssh_user", '"D D"'),
        (("retention_days: 45", "retention_days: long"), "observability.config.retention_days",
         '"long"'),
        (("vpsmanager:", "other:"), "vpsmanager", "nothing"),
        (("ops@chom.example", "'a@b.org, Ops <c@d.org>'"),
         "observability.config.alertmanager_email", '"Ops <c@d.org>"'),
        (("from: alerts@", "from: Alerts alerts@"), "observability.config.smtp.from",
         '"Alerts alerts@chom.example"'),
        (("host: smtp.chom", "host: smtp_chom"), "observability.config.smtp.host",
         '"smtp_chom.example"'),
        (("port: 587", "port: 0"), "observability.config.smtp.port", "0"),
        (("ssh_port: 2222", "ssh_port: 0"), "vpsmanager.ssh_port", "0"),
        (("ssh_port: 2222", "ssh_port: '²'"), "vpsmanager.ssh_port", '"²"'),
        (("ssh_port: 2222", f"ssh_port: '{'9' * 5000}'"), "vpsmanager.ssh_port", '"999'),
    ],
)  # fmt: skip
def test_a_wrong_value_is_said_of_the_old_files_key(
    old: Path, change: tuple[str, str], key: str, found: str
) -> None:
    old.write_text(OLD.replace(*change))
    problems = refused(old)
    assert [problem.key for problem in problems] == [key]
    assert problems[0].file == str(old)
    assert found in problems[0].found


def test_a_host_that_is_no_section(old: Path) -> None:
    old.write_text("observability: 1\nvpsmanager: {ip: 10.0.0.2}\n")
    assert [problem.found for problem in refused(old)] == ["no section"]


def test_no_inventory(tmp_path: Path) -> None:
    problem = refused(tmp_path / "none.yaml")[0]
    assert (problem.found, problem.remedy) == (
        "no such file",
        "name the inventory.yaml of version 4",
    )


def test_numbers_in_quotes_and_a_byte_order_mark_are_understood(old: Path) -> None:
    old.write_text("\ufeff" + OLD.replace("ssh_port: 2222", 'ssh_port: "2222"'))
    inventory: dict[str, Any] = convert(old).inventory
    assert inventory["targets"]["vpsmanager"]["ssh"] == {"port": 2222}


def test_merge_keys_are_followed(old: Path) -> None:
    text = OLD.replace(
        "vpsmanager:\n", "base: &base {ssh_user: deploy}\nvpsmanager:\n  <<: *base\n"
    )
    old.write_text(text.replace("10.0.0.2\n  ssh_user: deploy\n", "10.0.0.2\n"))
    assert convert(old).inventory["ssh"]["user"] == "deploy"


# The old state


def test_the_old_state_is_plain_data(old: Path, run: Run) -> None:
    state = old.with_name("deployment.state")
    state.write_text(json.dumps(STATE))
    deployment = read_old_state(state)
    assert deployment.started_at == "2025-12-31T10:00:00Z"
    assert deployment.targets["observability"].completed_at == "2025-12-31T10:15:00Z"
    assert json.loads(run(old, state, "--json")[1])["state"]["targets"]["vpsmanager"] == {
        "status": "failed",
        "updated_at": "2025-12-31T10:30:00Z",
        "completed_at": "",
    }
    text = run(old, state)[1]
    assert "was started 2025-12-31T10:00:00Z: completed" in text
    assert "vpsmanager: failed" in text


@pytest.mark.parametrize(
    ("content", "key", "found"),
    [
        (b"{", "", "no JSON"),
        (b"\xff", "", "no JSON"),
        (b"[]", "", "no JSON object"),
        (b"{}", "status", "nothing"),
        (b'{"status": "geheim"}', "status", "an unknown status"),
        (b'{"status": "failed", "vpsmanager": {}}', "vpsmanager.status", "nothing"),
    ],
)
def test_a_state_that_is_none(
    old: Path, run: Run, tmp_path: Path, content: bytes, key: str, found: str
) -> None:
    state = tmp_path / "deployment.state"
    state.write_bytes(content)
    with pytest.raises(ConfigurationError) as refusal:
        read_old_state(state)
    problem = refusal.value.problems[0]
    assert (problem.key, problem.found) == (key, found)
    assert "geheim" not in str(problem)
    assert run(old, state)[0] == 1
    assert not (tmp_path / "new").exists()


def test_no_state(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no such file or directory"):
        read_old_state(tmp_path / "none")
