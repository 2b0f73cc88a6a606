"""What a deployment needs is at hand before anything connects, made once, and kept."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from configs import PROJECT, ConfigurationError
from configs.secrets import Needed, load_secrets, provide, secrets_path
from configs.secrets.initialising import initialise
from configs.secrets.keys import key_file
from configs.secrets.providing import check, unknown
from configs.secrets.store import open_store

Environ = dict[str, str]
REDIS = Needed("REDIS_PASSWORD", "what an application shows to Redis", "password")
KEY = Needed("LARAVEL_APP_KEY", "the key of cookies", "laravel_app_key")
TLS = Needed("METRICS_TLS_KEY", "the exporters' key", "private_key")
SMTP = Needed("SMTP_PASSWORD", "the password of a@example.org at smtp.example.org")
OTHER = Needed("GIT_TOKEN", "what reads the repository")


@pytest.fixture
def environ(tmp_path: Path) -> Environ:
    return {
        "CHOM_SECRETS_FILE": str(tmp_path / ".secrets.env"),
        "CHOM_SECRETS_KEY_FILE": str(tmp_path / "home" / "secrets.key"),
    }


@pytest.fixture(autouse=True)
def no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("configs.secrets.providing.has_terminal", lambda: False)


def answers(values: dict[str, str]) -> Callable[[str], str]:
    """Somebody who types what is asked for by name."""
    return lambda prompt: next(value for name, value in values.items() if prompt.startswith(name))


def stored(environ: Environ, **values: str) -> None:
    initialise(secrets_path(environ), environ)
    open_store(secrets_path(environ), environ).write(dict(values))


def test_what_nobody_needs_to_know_is_made_once(environ: Environ) -> None:
    first = provide([REDIS, KEY, TLS, REDIS], keep=True, environ=environ)
    assert set(first.secrets) == {"REDIS_PASSWORD", "LARAVEL_APP_KEY", "METRICS_TLS_KEY"}
    assert len(first.secrets["REDIS_PASSWORD"].reveal()) == 32
    assert first.secrets["LARAVEL_APP_KEY"].reveal().startswith("base64:")
    load_pem_private_key(first.secrets["METRICS_TLS_KEY"].reveal().encode(), None)
    second = provide([REDIS, KEY, TLS], keep=True, environ=environ)
    assert second.secrets == first.secrets == load_secrets(environ=environ)
    assert second.notes == ()


def test_what_is_made_is_said_and_stored_sealed(environ: Environ) -> None:
    made = provide([REDIS], keep=True, environ=environ)
    begun, got = made.notes
    assert str(key_file(environ)) in begun and "keep a copy" in begun
    assert "REDIS_PASSWORD" in got and "commit" in got
    value = made.secrets["REDIS_PASSWORD"].reveal()
    text = secrets_path(environ).read_text()
    assert value not in text + begun + got and "REDIS_PASSWORD=" in text


def test_a_dry_run_writes_nothing(environ: Environ, tmp_path: Path) -> None:
    made = provide([REDIS], keep=False, environ=environ)
    assert made.secrets["REDIS_PASSWORD"].reveal()
    assert made.notes == () and list(tmp_path.iterdir()) == []


def test_all_that_only_the_user_knows_is_named_at_once(environ: Environ) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        provide([SMTP, REDIS, OTHER], keep=True, environ=environ)
    assert [problem.key for problem in refusal.value.problems] == ["SMTP_PASSWORD", "GIT_TOKEN"]
    said = str(refusal.value)
    assert SMTP.what in said and "python -m configs secrets set SMTP_PASSWORD" in said
    assert not secrets_path(environ).exists()


def test_what_is_typed_is_stored_and_not_asked_for_again(environ: Environ) -> None:
    typed = answers({"SMTP_PASSWORD": "it's $ecret", "GIT_TOKEN": "ghp_1234567"})
    first = provide([SMTP, OTHER, REDIS], keep=True, environ=environ, ask=typed)
    assert first.secrets["SMTP_PASSWORD"].reveal() == "it's $ecret"
    second = provide([SMTP, OTHER, REDIS], keep=True, environ=environ)
    assert second.secrets == first.secrets


def test_what_stands_in_the_file_comes_along_unneeded(environ: Environ) -> None:
    stored(environ, OLD_TOKEN="nobody needs it")
    assert set(provide([REDIS], keep=True, environ=environ).secrets) == {
        "OLD_TOKEN",
        "REDIS_PASSWORD",
    }


def test_what_the_file_lacks_is_told_without_its_key(environ: Environ) -> None:
    needs = [SMTP, REDIS, OTHER, SMTP]
    assert [problem.key for problem in unknown(needs, environ)] == ["SMTP_PASSWORD", "GIT_TOKEN"]
    stored(environ, SMTP_PASSWORD="it is there")
    key_file(environ).unlink()
    (problem,) = unknown(needs, environ)
    assert problem.key == "GIT_TOKEN" and problem.found == "nothing"


def test_ci_makes_nothing_and_names_the_commands(environ: Environ) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        provide([REDIS, KEY, SMTP], keep=True, environ={**environ, "CI": "true"})
    said = str(refusal.value)
    for command in (
        "python -m configs secrets init",
        "python -m configs secrets set REDIS_PASSWORD --generate password",
        "python -m configs secrets set LARAVEL_APP_KEY --generate laravel_app_key",
        "python -m configs secrets set SMTP_PASSWORD",
    ):
        assert command in said
    assert not secrets_path(environ).exists()


def test_ci_deploys_with_what_is_there_and_plans_without(environ: Environ) -> None:
    ci = {**environ, "CI": "true"}
    assert provide([REDIS], keep=False, environ=ci).secrets["REDIS_PASSWORD"].reveal()
    stored(environ, REDIS_PASSWORD="it is there")
    assert provide([REDIS], keep=True, environ=ci).secrets["REDIS_PASSWORD"].reveal()


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("tiny", "4 characters"),
        ("a\0control", "control character"),
        ("\x1b[31mred", "control character"),
        (" padded ", "blanks or line ends"),
        ("with its line end\n", "blanks or line ends"),
    ],
)
def test_a_value_that_no_component_can_use(environ: Environ, value: str, found: str) -> None:
    stored(environ, SMTP_PASSWORD=value)
    with pytest.raises(ConfigurationError) as refusal:
        provide([SMTP], keep=True, environ=environ)
    (problem,) = refusal.value.problems
    assert found in problem.found and problem.key == "SMTP_PASSWORD"
    assert value not in str(refusal.value)


def test_a_typed_value_that_cannot_be_used_is_not_stored(environ: Environ) -> None:
    with pytest.raises(ConfigurationError):
        provide([SMTP], keep=True, environ=environ, ask=lambda prompt: "short")
    assert not secrets_path(environ).exists()


def test_runs_at_the_same_time_agree(environ: Environ) -> None:
    program = (
        "from configs.secrets import Needed, provide;"
        "need = Needed('REDIS_PASSWORD', 'x', 'password');"
        "print(provide([need], keep=True).secrets['REDIS_PASSWORD'].reveal())"
    )
    started = [
        subprocess.Popen(
            [sys.executable, "-c", program],
            cwd=PROJECT,
            env={**{k: v for k, v in os.environ.items() if k != "CI"}, **environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    said = {process.communicate(timeout=120) for process in started}
    assert said == {(load_secrets(environ=environ)["REDIS_PASSWORD"].reveal() + "\n", "")}


def test_a_retired_secret_is_named_and_never_made(environ: Environ) -> None:
    retired = Needed("METRICS_PASSWORD", "", "password", retired=True)
    own = Needed("METRICS_PASSWORD_WEB", "what Prometheus shows to web", "password")
    made = provide([retired, own], keep=True, environ=environ)
    assert set(made.secrets) == {"METRICS_PASSWORD_WEB"}
    assert not [note for note in made.notes if "still has" in note]
    open_store(secrets_path(environ), environ).write({"METRICS_PASSWORD": "shared by all"})
    later = provide([retired, own], keep=True, environ={**environ, "CI": "true"})
    assert later.secrets["METRICS_PASSWORD"].reveal() == "shared by all"
    (note,) = later.notes
    assert "still has METRICS_PASSWORD, which" in note and "secrets edit" in note
    assert "shared by all" not in note


# One inventory beside another

SERVER = "targets: {{web: {{role: vpsmanager, address: {}}}}}\n"


def folder_with(folder: Path, **addresses: str) -> Path:
    """A folder of inventories by name, each with a server at an address."""
    for name, address in addresses.items():
        (folder / f"{name}.yaml").write_text(SERVER.format(address))
    (folder / "defaults.yaml").write_text("php: {}\n")
    return folder


def path_of(folder: Path, name: str) -> str:
    return secrets_path({"CHOM_INVENTORY": str(folder / f"{name}.yaml")}).name


def test_a_second_inventory_begins_with_secrets_of_its_own(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, inventory="10.0.0.1", staging="10.0.0.2")
    assert path_of(folder, "staging") == ".secrets.staging.env"
    assert path_of(folder, "inventory") == ".secrets.env"


def test_a_second_inventory_gets_no_secrets_of_the_first_one(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, inventory="10.0.0.1", staging="10.0.0.2")
    (folder / ".secrets.env").write_text("")
    with pytest.raises(ConfigurationError) as refusal:
        path_of(folder, "staging")
    (problem,) = refusal.value.problems
    assert "no secrets of staging.yaml alone: .secrets.env is also for inventory.yaml" in (
        problem.found
    )
    for command in (
        f"CHOM_SECRETS_FILE={folder}/.secrets.staging.env python -m configs secrets init",
        f"mv {folder}/.secrets.env {folder}/.secrets.staging.env",
        f"export CHOM_SECRETS_FILE={folder}/.secrets.env",
    ):
        assert command in problem.remedy
    assert path_of(folder, "inventory") == ".secrets.env"
    (folder / ".secrets.staging.env").write_text("")
    assert path_of(folder, "staging") == ".secrets.staging.env"


def test_an_inventory_by_another_name_keeps_its_secrets_beside_the_example(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, inventory="192.0.2.1", production="10.0.0.2")
    (folder / ".secrets.env").write_text("")
    assert path_of(folder, "production") == ".secrets.env"


def test_sharing_on_purpose_is_possible(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, inventory="10.0.0.1", staging="10.0.0.2")
    (folder / ".secrets.env").write_text("")
    environ = {
        "CHOM_INVENTORY": str(folder / "staging.yaml"),
        "CHOM_SECRETS_FILE": str(folder / ".secrets.env"),
    }
    assert secrets_path(environ).name == ".secrets.env"


# What `configs check` tells


def test_check_without_the_key_says_that_nothing_was_opened(environ: Environ) -> None:
    stored(environ, SMTP_PASSWORD="it is there")
    assert check([SMTP], environ) == ([], [])
    key_file(environ).unlink()
    problems, (unopened,) = check([SMTP, OTHER], environ)
    assert [problem.key for problem in problems] == ["GIT_TOKEN"]
    assert "no such file, and CHOM_SECRETS_KEY is not set" in unopened.found


def test_check_with_the_key_looks_at_the_values(environ: Environ) -> None:
    stored(environ, SMTP_PASSWORD="tiny")
    (problem,), unopened = check([SMTP, SMTP], environ)
    assert problem.found == "4 characters" and unopened == []
    path = secrets_path(environ)
    path.write_text(path.read_text().replace("SMTP_PASSWORD", "OTHER_PASSWORD"))
    (missing, tampered), unopened = check([SMTP], environ)
    assert (missing.key, tampered.key, unopened) == ("SMTP_PASSWORD", "OTHER_PASSWORD", [])


def test_check_asks_for_no_passphrase(environ: Environ) -> None:
    home = {"CHOM_SECRETS_FILE": environ["CHOM_SECRETS_FILE"]}
    initialise(secrets_path(home), home, passphrase=True, ask=lambda prompt: "five random words")
    assert check([], home) == ([], [])


def test_check_without_a_file_names_what_is_missing(environ: Environ) -> None:
    (problem,), unopened = check([SMTP], environ)
    assert problem.key == "SMTP_PASSWORD" and unopened == []
