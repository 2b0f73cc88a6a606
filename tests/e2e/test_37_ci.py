"""The examples for CI do what they say: their commands, word for word, without a terminal."""

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from state.record import Record
from tests.copies import copy_project
from tests.documents import terminal
from tests.e2e.platform import Platform
from tests.e2e.project import Project
from tests.lab.paths import PROJECT

EXAMPLES = PROJECT / "docs" / "examples"
_EXPRESSION = re.compile(r"\$\{\{\s*([^}]+?)\s*\}\}")
# Our own shell is the one of GitHub's runners; GitLab's stops at the first failure, too.
SHELL = ("bash", "-e", "-o", "pipefail", "-c")


@dataclass
class Runner:
    """What a job of CI finds: a fresh clone with what is committed, a home, and its variables."""

    platform: Platform
    folder: Path
    env: dict[str, str]
    said: list[str] = field(default_factory=list)

    def run(self, script: str, env: Mapping[str, str]) -> str:
        """Run a step; it must succeed."""
        done = subprocess.run(
            [*SHELL, script],
            cwd=self.folder,
            env={**self.env, **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert done.returncode == 0, f"{script}\n{done.stdout[-6000:]}"
        assert "Traceback" not in done.stdout, done.stdout
        self.said.append(done.stdout)
        return done.stdout

    def record(self) -> Record:
        """Of the last deployment from here."""
        return Record.model_validate_json((self.folder / ".deploy-state/current.json").read_bytes())


@pytest.fixture
def runner(deployed: Platform, tmp_path: Path) -> Runner:
    """A runner for a project whose machines are deployed to, and are as they should be."""
    deployed.unsettle()
    folder, home, project = tmp_path / "clone", tmp_path / "home", deployed.project
    folder.mkdir()
    home.mkdir()
    copy_project(folder, also=("Makefile", "requirements.lock"))
    (folder / "keys").mkdir()
    # What `make venv` would make, newer than what it is made of.
    (folder / ".venv").symlink_to(PROJECT / ".venv")
    os.utime(folder / "requirements.lock", (0, 0))
    _commit(project, folder)
    env = {**terminal(home), "CI": "true"}
    return Runner(deployed, folder, env)


def _commit(project: Project, folder: Path) -> None:
    """Put there what an operator has committed: the inventory and the sealed secrets."""
    inventory = yaml.safe_load(project.inventory().read_text())
    inventory["ssh"] = {"user": "deploy", "key": "keys/chom_deploy_key"}
    (folder / "configs" / "inventory.yaml").write_text(yaml.safe_dump(inventory))
    sealed = Path(project.secrets_env["CHOM_SECRETS_FILE"])
    (folder / "configs" / ".secrets.env").write_bytes(sealed.read_bytes())


def _given(platform: Platform) -> dict[str, str]:
    """The secrets of CI, as docs/ci.md says where each comes from."""
    login = platform.lab.login
    key = Path(platform.project.secrets_env["CHOM_SECRETS_KEY_FILE"])
    return {
        "CHOM_SECRETS_KEY": key.read_text().strip(),
        "SSH_KEY": login.key.read_text().strip(),
        "SSH_KNOWN_HOSTS": login.known_hosts.read_text().strip(),
    }


# GitHub


def _github() -> dict[str, Any]:
    # YAML 1.1 reads the word `on` as true.
    found: dict[str, Any] = yaml.safe_load(
        (EXAMPLES / "github-actions.yml").read_text().replace("\non:", '\n"on":')
    )
    return found


def test_a_pull_request_is_checked_without_a_key(runner: Runner) -> None:
    _run_job(runner, "check")
    assert "nothing was changed" not in runner.said[-1]


def test_what_is_merged_is_planned_on_github(runner: Runner, tmp_path: Path) -> None:
    summary = tmp_path / "summary.md"
    runner.env["GITHUB_STEP_SUMMARY"] = str(summary)
    known = len(list((runner.platform.project.state / "history").iterdir()))
    _run_job(runner, "plan")
    assert (runner.folder / "plan.md").read_text() in summary.read_text()
    assert len(list((runner.platform.project.state / "history").iterdir())) == known
    assert not (runner.folder / ".deploy-state" / "current.json").exists()


def test_what_is_merged_is_deployed_from_github(runner: Runner, tmp_path: Path) -> None:
    summary = tmp_path / "summary.md"
    runner.env["GITHUB_STEP_SUMMARY"] = str(summary)
    _run_job(runner, "deploy")
    record = runner.record()
    assert record.status == "completed"
    assert record.deployer.ci is not None
    assert (record.deployer.ci.system, record.deployer.ci.job) == ("github", "deploy")
    assert record.deployment_id in summary.read_text()
    _kept(runner, _github()["jobs"]["deploy"]["steps"][-1]["with"]["path"].split())


def _run_job(runner: Runner, name: str) -> None:
    workflow = _github()
    job, values = workflow["jobs"][name], _values(runner.platform)
    github = {"GITHUB_ACTIONS": "true", "GITHUB_JOB": name, "GITHUB_ACTOR": "alice"}
    outer = {**github, **_filled(job.get("env", {}), values)}
    for step in job["steps"]:
        if "run" in step:
            runner.run(step["run"], {**outer, **_filled(step.get("env", {}), values)})


def _values(platform: Platform) -> dict[str, str]:
    secrets = {f"secrets.{name}": value for name, value in _given(platform).items()}
    return secrets


def _filled(env: Mapping[str, str], values: Mapping[str, str]) -> dict[str, str]:
    """Variables with their expressions evaluated; KeyError for one that is not known."""
    return {
        name: _EXPRESSION.sub(lambda found: values[found[1]], text) for name, text in env.items()
    }


# GitLab


def _gitlab() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((EXAMPLES / "gitlab-ci.yml").read_text())
    return found


def test_a_merge_request_is_checked_without_a_key(runner: Runner) -> None:
    _run_gitlab(runner, "check", {})


def test_what_is_merged_is_planned_on_gitlab(runner: Runner) -> None:
    _run_gitlab(runner, "plan", _given(runner.platform))
    assert (runner.folder / "plan.md").read_text().startswith("#")


def test_what_is_merged_is_deployed_from_gitlab(runner: Runner) -> None:
    _run_gitlab(runner, "deploy", _given(runner.platform))
    record = runner.record()
    assert record.status == "completed"
    assert record.deployer.ci is not None and record.deployer.ci.system == "gitlab"
    artifacts = _gitlab()["deploy"]["artifacts"]
    _kept(runner, [*artifacts["paths"], artifacts["reports"]["junit"]])


def _run_gitlab(runner: Runner, name: str, variables: dict[str, str]) -> None:
    """Run a job as GitLab does: in one shell, and with paths for variables of the type File."""
    pipeline, given = _gitlab(), dict(variables)
    for variable in {"SSH_KEY", "SSH_KNOWN_HOSTS"} & given.keys():
        file = runner.folder.with_name(variable)
        file.write_text(given[variable] + "\n")
        given[variable] = str(file)
    job = pipeline[name]
    common = pipeline[job["extends"]] if "extends" in job else {}
    lines = [*common.get("before_script", ()), *job["script"]]
    runner.run("\n".join(lines), {"GITLAB_CI": "true", "CI_JOB_NAME": name, **given})


def _kept(runner: Runner, paths: list[str]) -> None:
    """See that there is what the job keeps as artifacts, and that it says that all is well."""
    for path in paths:
        assert (runner.folder / path).exists(), path
    report = ElementTree.parse(runner.folder / "junit.xml").getroot()
    assert list(report.iter("testcase")) and not list(report.iter("failure"))
    assert sorted((runner.folder / ".deploy-state/history").glob("*.json"))
