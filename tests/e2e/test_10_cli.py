"""The command line: what it refuses, what it answers, and the options that steer a run."""

import json

import pytest
import yaml

from tests.e2e.machines import all_units, answer
from tests.e2e.platform import Platform
from tests.e2e.project import DEPLOY, changed

FIVE_PROBLEMS = {
    "ssh.port": 99999,
    "ssh.paswords": "none",
    "targets.observability.role": "observabilty",
    "targets.vpsmanager.address": "999.0.0.1",
    "settings.redis.queue_memory_mb": -1,
}


def test_shipped_example_is_refused(platform: Platform) -> None:
    shipped = platform.project.folder / "configs/inventory.yaml"
    targets = yaml.safe_load(shipped.read_text())["targets"].values()
    if not all(target["address"].startswith("203.0.113.") for target in targets):
        pytest.skip("configs/inventory.yaml is not the shipped one: somebody's own servers")
    outcome = platform.project.deploy("--dry", inventory=shipped)
    assert outcome.code == 1, outcome
    assert "make demo" in outcome.text
    assert "CHOM_INVENTORY" in outcome.text
    assert "Connecting" not in outcome.text


def test_every_problem_is_named_at_once(platform: Platform) -> None:
    outcome = platform.project.deploy("-y", changes=FIVE_PROBLEMS)
    assert outcome.code == 1, outcome
    assert "5 problems in the settings; nothing was connected to" in outcome.text
    for key in FIVE_PROBLEMS:
        assert f"\n  {key}\n" in outcome.text, outcome
    assert "Connecting" not in outcome.text


def test_without_a_terminal_there_is_nobody_to_confirm(platform: Platform) -> None:
    outcome = platform.project.pyinfra(*DEPLOY)
    assert outcome.code == 1, outcome
    assert "-y" in outcome.text and "--dry" in outcome.text
    assert "Connecting" not in outcome.text


def test_debug_inventory_shows_hosts_and_groups(platform: Platform) -> None:
    outcome = platform.project.pyinfra("inventory.py", "debug-inventory")
    assert outcome.code == 0, outcome
    for machine in platform.lab.machines:
        assert machine.name in outcome.text and machine.address in outcome.text


def test_fact_answers_in_json(platform: Platform) -> None:
    outcome = platform.project.pyinfra("inventory.py", "fact", "facts.hardware.Hardware", "--json")
    assert outcome.code == 0, outcome
    text = json.dumps(outcome.json)
    for machine in platform.lab.machines:
        assert machine.name in text
        assert f'"memory_mb": {machine.size.memory_mb}' in text


def test_fact_answers_for_people(platform: Platform) -> None:
    outcome = platform.project.pyinfra("inventory.py", "fact", "facts.hardware.Hardware")
    assert outcome.code == 0, outcome
    for machine in platform.lab.machines:
        assert f'"memory_mb": {machine.size.memory_mb}' in outcome.text
        assert f'"cpu": {machine.size.vcpus}' in outcome.text


def test_limit_leaves_the_other_target_alone(deployed: Platform) -> None:
    known = _logins(deployed, "vpsmanager")
    assert known > 0
    outcome = deployed.project.deploy("-y", "--limit", "observability")
    assert outcome.code == 0, outcome
    record = deployed.project.record()
    assert record.status == "completed"
    assert set(record.targets) == {"observability"}
    assert _logins(deployed, "vpsmanager") == known


@pytest.mark.parametrize("options", [["--serial"], ["--parallel", "1"]])
def test_one_target_after_the_other(deployed: Platform, options: list[str]) -> None:
    outcome = deployed.project.deploy("-y", *options)
    assert outcome.code == 0, outcome
    record = deployed.project.record()
    assert record.status == "completed"
    assert changed(record) == {}


def test_fail_percent_0_stops_the_other_target(deployed: Platform) -> None:
    """vpsmanager fails early, while observability still has its web server to mend."""
    lab, blocked = deployed.lab, "/etc/default/prometheus-node-exporter"
    mended = lab.rootfs("observability") / "etc/nginx/nginx.conf"
    units = all_units(lab)
    deployed.unsettle()
    answer(lab, "vpsmanager", f"rm {blocked} && mkdir -p {blocked}/in-the-way")
    answer(lab, "observability", "systemctl stop prometheus && echo '#' >> /etc/nginx/nginx.conf")
    drifted = mended.read_bytes()

    outcome = deployed.project.deploy("-y", "--fail-percent", "0")
    assert outcome.code == 1, outcome
    record = deployed.project.record()
    assert record.status == "failed"
    error = record.targets["vpsmanager"].error
    assert error is not None and error.component == "node_exporter"
    stopped = record.targets["observability"]
    assert stopped.status == "failed"
    assert stopped.error is not None and "too many targets failed" in stopped.error.message
    assert mended.read_bytes() == drifted

    answer(lab, "vpsmanager", f"rm -r {blocked}")
    record = deployed.converge()
    assert ("observability", "nginx") in changed(record)
    assert mended.read_bytes() != drifted
    assert set(all_units(lab)["observability"]) == set(units["observability"])


def _logins(platform: Platform, machine: str) -> int:
    journal = "journalctl -o cat | grep -c 'Accepted publickey for deploy'"
    return int(answer(platform.lab, machine, journal))
