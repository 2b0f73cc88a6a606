"""The examples for CI give a pull request no key, and run no code that others can replace."""

import re
from typing import Any

import yaml

from tests.lab.paths import PROJECT

EXAMPLES = PROJECT / "docs" / "examples"
KEYS = ("CHOM_SECRETS_KEY", "SSH_KEY", "SSH_KNOWN_HOSTS")
MAIN = "$CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH"


def github() -> dict[str, Any]:
    # YAML 1.1 reads the word `on` as true.
    text = (EXAMPLES / "github-actions.yml").read_text().replace("\non:", '\n"on":')
    found: dict[str, Any] = yaml.safe_load(text)
    return found


def gitlab() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((EXAMPLES / "gitlab-ci.yml").read_text())
    return found


def with_keys(job: Any) -> bool:
    return any(word in str(job) for word in ("secrets.", *(f"${key}" for key in KEYS)))


def test_github_runs_on_pull_requests_and_on_main_alone() -> None:
    workflow = github()
    assert workflow["on"] == {"pull_request": None, "push": {"branches": ["main"]}}
    # Shared by all jobs: no secret, and no more rights than to read.
    assert set(workflow) == {"name", "on", "permissions", "jobs"}
    assert workflow["permissions"] == {"contents": "read"}


def test_github_gives_no_key_to_a_pull_request() -> None:
    jobs = github()["jobs"]
    conditions = {name: job["if"] for name, job in jobs.items()}
    assert set(conditions.values()) == {
        "github.event_name == 'pull_request'",
        "github.event_name == 'push'",
    }
    for name, job in jobs.items():
        assert with_keys(job) == (conditions[name] == "github.event_name == 'push'"), name
        # Only an environment can be limited to a branch.
        assert ("environment" in job) == with_keys(job), name
        assert "permissions" not in job, name
    assert jobs["deploy"]["needs"] == "plan"


def test_github_actions_are_pinned_by_commit() -> None:
    text = (EXAMPLES / "github-actions.yml").read_text()
    lines = re.findall(r"uses: (.*)", text)
    assert lines
    for line in lines:
        assert re.fullmatch(r"[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), line
    assert len({line.split("@")[0] for line in lines}) == len(set(lines))


def test_github_leaves_no_token_in_the_checkout() -> None:
    for job in github()["jobs"].values():
        assert job["runs-on"] and job["timeout-minutes"]
        for step in job["steps"]:
            assert ("run" in step) != ("uses" in step), step
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False


def test_github_deploys_one_at_a_time() -> None:
    assert github()["jobs"]["deploy"]["concurrency"]["cancel-in-progress"] is False


def test_gitlab_gives_no_key_to_a_merge_request() -> None:
    pipeline = gitlab()
    jobs = {name: job for name, job in pipeline.items() if name not in ("stages", "default")}
    assert not with_keys(pipeline["default"])
    for name, job in jobs.items():
        whole = {**jobs.get(job.get("extends", ""), {}), **job}
        on_main = [rule["if"] for rule in whole["rules"]] == [MAIN]
        assert with_keys(whole) == on_main, name
    assert jobs["deploy"]["rules"][0]["when"] == "manual"
    assert jobs["deploy"]["environment"] == "production"


def test_gitlab_deploys_one_at_a_time() -> None:
    pipeline = gitlab()
    jobs = {name: job for name, job in pipeline.items() if "script" in job}
    assert all(job["stage"] in pipeline["stages"] for job in jobs.values())
    assert jobs["deploy"]["resource_group"] and jobs["deploy"]["interruptible"] is False
