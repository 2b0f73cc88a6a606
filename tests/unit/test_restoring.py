"""``--data from=ID``: the settings of an earlier deployment, on today's targets."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import configs
from configs import PROJECT, Configuration, ConfigurationError, Problem, Target
from state.options import Options
from state.record import Record
from state.restoring import from_data, restore
from state.store import Store
from tests.e2e.shop import SOURCE
from tests.unit.helpers import configuration
from tests.unit.histories import deployed
from tests.unit.test_record import record
from tests.unit.test_run import FakeRun

SHOP = """\
targets:
  watch: {role: observability, address: 10.0.0.1}
  web:
    role: vpsmanager
    address: 10.0.0.2
    settings:
      php: {children: 20}
      apps: {shop: {repository: "https://git.example.org/shop", workers: {count: 2}}}
settings: {prometheus: {retention_days: 30}, alerting: {load_per_cpu: 3}}
"""
TODAY = """\
targets:
  watch: {role: observability, address: 10.0.1.1}
  web: {role: vpsmanager, address: 10.0.1.2, ssh: {port: 2222}}
"""
BOTH = ["watch", "web"]


def of(folder: Path, text: str) -> Configuration:
    """The configuration of an inventory in a folder of its own."""
    folder.mkdir(exist_ok=True)
    return configuration(folder, text)


def settings(wanted: Configuration) -> dict[str, Any]:
    """As a record holds them: through JSON."""
    dumped = {each.name: each.settings.model_dump(mode="json") for each in wanted.targets.values()}
    restored: dict[str, Any] = json.loads(json.dumps(dumped))
    return restored


def recorded(snapshot: dict[str, Any]) -> Record:
    made = record("20260101-000000-aaaaaa", status="completed")
    made.config.settings = snapshot
    return made


def refused(today: Configuration, snapshot: dict[str, Any], *concerned: str) -> list[Problem]:
    with pytest.raises(ConfigurationError) as refusal:
        restore(today, recorded(snapshot), concerned or BOTH)
    return refusal.value.problems


@pytest.fixture
def then(tmp_path: Path) -> Configuration:
    return of(tmp_path / "then", SHOP)


@pytest.fixture
def today(tmp_path: Path) -> Configuration:
    return of(tmp_path / "today", TODAY)


def test_settings_are_theirs_and_all_else_is_todays(
    then: Configuration, today: Configuration
) -> None:
    restored = restore(today, recorded(settings(then)), BOTH)
    found = restored.configuration
    assert found.inventory_sha256 == today.inventory_sha256
    assert found.inventory_path == today.inventory_path
    for name in BOTH:
        assert found.targets[name].settings == then.targets[name].settings
        for field in ("name", "role", "address", "ssh", "specs"):
            assert getattr(found.targets[name], field) == getattr(today.targets[name], field)
    assert found.targets["web"].apps["shop"] == then.targets["web"].apps["shop"]


def test_what_differs_is_said(then: Configuration, today: Configuration) -> None:
    restored = restore(today, recorded(settings(then)), BOTH)
    assert restored.lines[0] == (
        "the settings are those of the deployment 20260101-000000-aaaaaa; today's → theirs:"
    )
    assert "  prometheus.retention_days: 15 → 30" in restored.lines
    assert "  php.children (web): null → 20" in restored.lines
    assert "  apps.shop.workers.count (web): not there → 2" in restored.lines
    same = restore(today, recorded(settings(today)), BOTH)
    assert same.lines == [
        "the settings are those of the deployment 20260101-000000-aaaaaa, which are today's"
    ]
    assert same.configuration == today


def test_a_setting_that_is_newer_than_the_record_has_its_default(today: Configuration) -> None:
    old = settings(today)
    for each in old.values():
        del each["tls"], each["prometheus"]["retention_days"]
    found = restore(today, recorded(old), BOTH).configuration
    assert found.targets == today.targets


def test_a_setting_that_we_do_not_have_is_refused(today: Configuration) -> None:
    old = settings(today)
    old["web"]["php"]["turbo"] = True
    (problem,) = refused(today, old)
    assert problem.file == "the deployment 20260101-000000-aaaaaa"
    assert problem.key == "targets.web.settings.php.turbo"
    assert problem.found == "an unknown key"
    assert problem.remedy.startswith("take another deployment, or deploy this one with the project")


def test_a_value_that_we_do_not_take_is_refused(today: Configuration) -> None:
    old = settings(today)
    old["watch"]["prometheus"]["retention_days"] = 0
    (problem,) = refused(today, old)
    assert (problem.key, problem.found) == ("targets.watch.settings.prometheus.retention_days", "0")


def test_parts_that_do_not_fit_together_are_refused(today: Configuration) -> None:
    old = settings(today)
    old["watch"]["alertmanager"]["email_to"] = ["ops@example.org"]
    old["web"]["php"]["default"] = "5.6"
    keys = {problem.key for problem in refused(today, old)}
    assert keys == {
        "targets.watch.settings.alertmanager.email_to",
        "targets.web.settings.php.default",
    }


def test_a_target_that_the_record_does_not_know_is_left_out_by_limit(
    then: Configuration, today: Configuration
) -> None:
    old = settings(then)
    del old["web"]
    (problem,) = refused(today, old)
    assert problem.found == "no settings of web"
    assert problem.remedy == "leave it out: --limit watch"
    found = restore(today, recorded(old), ["watch"]).configuration
    assert found.targets["watch"].settings == then.targets["watch"].settings
    assert found.targets["web"] == today.targets["web"]


def test_the_record_of_version_4_has_no_settings(today: Configuration) -> None:
    problems = refused(today, {})
    assert {problem.found for problem in problems} == {"no settings of watch", "no settings of web"}
    assert "those of version 4 are not known" in problems[0].remedy


def test_a_value_without_its_secret_is_not_deployed(today: Configuration) -> None:
    old = settings(today)
    old["watch"]["smtp"]["username"] = "[secret SMTP_PASSWORD]"
    (problem,) = refused(today, old)
    assert (problem.key, problem.found) == (
        "watch.smtp.username",
        "a value without the secret in it",
    )


def test_a_relative_path_is_one_from_the_projects_folder(
    tmp_path: Path, today: Configuration
) -> None:
    path = os.path.relpath(SOURCE, PROJECT)
    text = TODAY.replace("ssh: {port: 2222}", f"settings: {{apps: {{shop: {{path: {path}}}}}}}")
    old = settings(of(tmp_path / "with-a-path", text))
    found = restore(today, recorded(old), BOTH).configuration
    assert found.targets["web"].apps["shop"].path == path
    old["web"]["apps"]["shop"]["path"] = "no/such/folder"
    (problem,) = refused(today, old)
    assert problem.found == '"no/such/folder", no folder'


# The command line


def test_which_record_is_meant_is_said_as_to_the_commands(
    tmp_path: Path, then: Configuration, today: Configuration
) -> None:
    store = Store(tmp_path / "state")
    made = deployed(store, 1)
    made.config.settings = settings(then)
    store.save(made)
    for text in ("current", "000001", made.deployment_id):
        found = from_data({"from": text}, store, today, BOTH)
        assert found and found.deployment_id == made.deployment_id
    assert from_data({"app": "shop"}, store, today, BOTH) is None
    with pytest.raises(ConfigurationError, match="no deployment yesterday"):
        from_data({"from": "yesterday"}, store, today, BOTH)


def test_a_setting_beside_it_is_refused(tmp_path: Path, today: Configuration) -> None:
    data = {"from": "current", "prometheus.retention_days": "3"}
    with pytest.raises(ConfigurationError) as refusal:
        from_data(data, Store(tmp_path), today, BOTH)
    (problem,) = refusal.value.problems
    assert (problem.file, problem.key) == ("--data", "prometheus.retention_days")


@pytest.mark.parametrize(
    ("limit", "exclude", "expected"),
    [
        ((), (), ["watch", "web", "web-2"]),
        (("web",), (), ["web"]),
        (("web*",), ("web-2",), ["web"]),
        (("vpsmanager",), (), ["web", "web-2"]),
        (("observability", "web-2"), (), ["watch", "web-2"]),
        ((), ("observability",), ["web", "web-2"]),
    ],
)
def test_who_takes_part(
    today: Configuration, limit: tuple[str, ...], exclude: tuple[str, ...], expected: list[str]
) -> None:
    targets: list[Target] = list(today.targets.values())
    targets.append(targets[1].model_copy(update={"name": "web-2"}))
    options = Options(limit=limit, exclude=exclude)
    assert [each.name for each in targets if options.leave(each.name, each.role)] == expected


def test_the_record_says_whose_settings_it_has(tmp_path: Path) -> None:
    fake = FakeRun(tmp_path)
    assert fake("-y", FAKE_FROM="20260101-000000-aaaaaa").returncode == 0
    assert fake("-y").returncode == 0
    said = [each.config.settings_from for each in fake.records]
    assert said == ["20260101-000000-aaaaaa", None]


def test_pyinfra_says_it_before_it_connects(tmp_path: Path, then: Configuration) -> None:
    """The project's own inventory.py, in a copy with a history of its own."""
    project = tmp_path / "project"
    for part in ("configs", "facts", "tasks", "state", "inventory.py"):
        source = PROJECT / part
        (shutil.copytree if source.is_dir() else shutil.copy)(source, _below(project, part))
    inventory = tmp_path / "then" / "inventory.yaml"
    store = Store(project / ".deploy-state")
    made = deployed(store, 1)
    made.config.settings = settings(then)
    store.save(made)
    environment = {**os.environ, "CHOM_INVENTORY": str(inventory), "PYTHONPATH": ""}

    def pyinfra(*arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "pyinfra", "inventory.py", "debug-inventory", *arguments]
        return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True)

    done = pyinfra("--data", "from=current")
    assert done.returncode == 0, done.stderr
    assert f"those of the deployment {made.deployment_id}, which are today's" in done.stderr
    inventory.write_text(inventory.read_text().replace("retention_days: 30", "retention_days: 7"))
    done = pyinfra("--data", "from=000001")
    assert "      prometheus.retention_days: 7 → 30\n" in done.stderr
    done = pyinfra("--data", "from=000002")
    assert done.returncode == 1
    assert "found:    no deployment 000002" in done.stderr and "Traceback" not in done.stderr


def _below(project: Path, part: str) -> Path:
    project.mkdir(exist_ok=True)
    return project / part


def test_every_setting_of_a_real_record_is_taken_as_it_was(then: Configuration) -> None:
    """What is recorded of the released defaults loads to the very same."""
    restored = restore(then, recorded(settings(then)), BOTH)
    assert restored.configuration == then
    assert restored.differs == []
    assert isinstance(restored.configuration, configs.Configuration)
