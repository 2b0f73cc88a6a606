"""The plan: what has drifted is in it; and a choice of components is kept to."""

import json
from pathlib import Path

import jsonschema
import pytest

from state.commands.schema import text_of
from state.plan import Change, Plan
from tests.e2e.leaks import found_in
from tests.e2e.machines import answer
from tests.e2e.platform import Platform
from tests.e2e.project import changed

DETAILED = ("--data", "detailed_exitcode=true")
DRIFT = (
    "echo 'maxmemory 3mb' >> /etc/chom/redis/laravel-cache.conf; systemctl stop mtail;"
    " rm /etc/nginx/sites-enabled/apps.conf; apt-get -qq remove unzip >/dev/null;"
    " echo someone >> /etc/chom/redis_exporter.env"
)


@pytest.fixture(scope="module")
def drifted(platform: Platform) -> tuple[Plan, str]:
    """The plan of a machine where somebody changed things, as JSON and as text."""
    platform.settle()
    platform.unsettle()
    answer(platform.lab, "vpsmanager", DRIFT)
    outcome = platform.project.deploy("--dry", "--json", *DETAILED)
    assert outcome.code == 2, outcome
    jsonschema.validate(outcome.json, json.loads(text_of("plan")))
    text = platform.project.deploy("--dry")
    assert text.code == 0, text
    return Plan.model_validate(outcome.json), text.err


def of(plan: Plan, component: str) -> list[Change]:
    return plan.targets["vpsmanager"].components[component].changes


def test_a_change_comes_with_its_difference(drifted: tuple[Plan, str]) -> None:
    change, restart = of(drifted[0], "redis")
    assert (change.verb, change.what) == ("change", "/etc/chom/redis/laravel-cache.conf")
    assert "-maxmemory 3mb" in change.diff
    assert "            -maxmemory 3mb\n" in drifted[1]
    assert (restart.verb, restart.what) == ("restart", "laravel-redis-cache.service")
    assert restart.why == "File /etc/chom/redis/laravel-cache.conf"


def test_what_is_missing_is_created_and_what_is_stopped_started(drifted: tuple[Plan, str]) -> None:
    (created,) = of(drifted[0], "laravel")
    assert (created.verb, created.what) == ("create", "/etc/nginx/sites-enabled/apps.conf")
    (reload,) = of(drifted[0], "nginx")
    assert (reload.verb, reload.why) == ("reload", "File /etc/nginx/sites-enabled/apps.conf")
    (start,) = of(drifted[0], "request_metrics")
    assert (start.verb, start.what) == ("start", "mtail.service")


def test_a_package_comes_with_the_version_that_apt_would_take(
    drifted: tuple[Plan, str], platform: Platform
) -> None:
    (package,) = of(drifted[0], "base")
    candidate = "apt-cache policy unzip | sed -n 's/ *Candidate: //p'"
    assert (package.verb, package.what) == ("install", "unzip")
    assert package.new_version == answer(platform.lab, "vpsmanager", candidate).strip() != ""
    assert f"+ install unzip {package.new_version}\n" in drifted[1]


def test_of_a_secret_only_that_it_changes(drifted: tuple[Plan, str], platform: Platform) -> None:
    change = of(drifted[0], "redis_exporter")[0]
    assert (change.what, change.diff) == ("/etc/chom/redis_exporter.env", [])
    assert "secret" in change.why
    assert found_in(drifted[1].encode(), platform.project.secrets()) == set()


def test_the_run_does_what_the_plan_said(drifted: tuple[Plan, str], platform: Platform) -> None:
    path = platform.project.folder / "plan.md"
    outcome = platform.project.deploy("-y", "--data", f"plan={path}")
    assert outcome.code == 0, outcome
    planned = {
        (name, component)
        for name, target in drifted[0].targets.items()
        for component, its in target.components.items()
        if any(each.verb != "wait" for each in its.changes)
    }
    # Nginx has read the missing file as it comes again, which no plan can know.
    assert set(changed(platform.project.record())) == planned - {("vpsmanager", "nginx")}
    assert_markdown(path)
    assert platform.project.deploy("--dry", *DETAILED).code == 0


def assert_markdown(path: Path) -> None:
    text = path.read_text()
    assert text.startswith("## Plan of the deploy: ") and "-maxmemory 3mb" in text
    assert "| observability | " in text


def test_only_what_is_chosen_is_deployed_with_what_it_needs(deployed: Platform) -> None:
    deployed.unsettle()
    answer(deployed.lab, "vpsmanager", "systemctl stop mtail prometheus-redis-exporter")
    outcome = deployed.project.deploy("-y", "--data", "only=redis_exporter")
    assert outcome.code == 0, outcome
    assert "deployed as well: base, metrics, mariadb, tls, laravel, redis" in outcome.text
    assert "Not verified: only some components were deployed" in outcome.text
    record = deployed.project.record()
    assert set(record.targets["vpsmanager"].components) == {
        "base", "metrics", "mariadb", "tls", "laravel", "redis", "redis_exporter"
    }  # fmt: skip
    assert set(changed(record)) == {("vpsmanager", "redis_exporter")}
    outcome = deployed.project.deploy("-y", "--data", "skip=redis_exporter")
    assert outcome.code == 0, outcome
    assert "left out, as they need one that is: " in outcome.text
    assert set(changed(deployed.project.record())) == {("vpsmanager", "request_metrics")}
    assert deployed.converge().status == "completed"


def test_an_unknown_component_is_refused_before_anything_connects(platform: Platform) -> None:
    outcome = platform.project.deploy("-y", "--data", "only=grafna", "--data", "plam=x")
    assert outcome.code == 1
    assert "did you mean plan?" in outcome.text and "Connecting" not in outcome.text
    outcome = platform.project.deploy("-y", "--data", "only=grafna")
    assert "did you mean grafana?" in outcome.text and "Connecting" not in outcome.text
