"""From version 4: every line accounted for, every secret encrypted, the old files untouched."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

import configs
from configs import ConfigurationError, Problem
from configs.__main__ import main
from configs.documents import dotted
from configs.migration import convert, read_old_state
from configs.migration.rules import MOVED
from configs.overrides import settings
from configs.secrets import load_secrets

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
    alertmanager_email: alerts@example.com
    retention_days: 45
    smtp:
      host: smtp.example.com
      port: 587
      user: ""
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
                "settings": {"prometheus": {"retention_days": 45}},
            },
            "vpsmanager": {
                "role": "vpsmanager",
                "address": "10.0.0.2",
                "ssh": {"port": 2222},
                "settings": {"php": {"version": "8.4"}},
            },
        },
    }


def test_the_new_inventory_loads(old: Path, run: Run, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("a key")
    key.chmod(0o600)
    old.write_text(OLD.replace("./keys/chom_deploy_key", str(key)))
    run(old)
    path = tmp_path / "new" / "inventory.yaml"
    (tmp_path / "hosts").write_text("")
    path.write_text(
        path.read_text().replace("ssh:\n", f"ssh:\n  known_hosts: {tmp_path}/hosts\n", 1)
    )
    targets = configs.load(path, environ={}).targets
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
        "observability.config.retention_days",
        "vpsmanager.ip",
        "vpsmanager.ssh_user",
        "vpsmanager.ssh_port",
        "vpsmanager.config.default_php",
        "ssh_key_path",
    ]
    assert len(lines) == 23
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
    assert "dropped: there is no setting for it: logs are not shipped" in out
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
    for place in MOVED.values():
        assert place[0] in ("address", "ssh") or dotted(place[1:]) in settings()


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
    monkeypatch.setattr("configs.migration.command.INVENTORY", tmp_path / "inventory.yaml")
    monkeypatch.setenv("CHOM_SECRETS_FILE", str(tmp_path / ".secrets.env"))
    assert main(["migrate", str(old)]) == 0
    assert "targets:" in (tmp_path / "inventory.yaml").read_text()
    assert list(load_secrets()) == ["SMTP_PASSWORD"]


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
