"""A run that has nothing to do does nothing."""

from itertools import pairwise

from state.plan import Plan
from state.signing import sha256_of
from tests.e2e.machines import all_units
from tests.e2e.platform import Platform
from tests.e2e.project import changed


def test_second_run_changes_and_restarts_nothing(deployed: Platform) -> None:
    project, lab = deployed.project, deployed.lab
    before, last = all_units(lab), project.record()
    outcome = project.deploy("-y", "--json")
    assert outcome.code == 0, outcome
    totals = outcome.json["results"]["totals"]
    assert (totals["success"], totals["error"]) == (0, 0)
    assert totals["no_change"] > 50

    record = project.record()
    assert record.deployment_id != last.deployment_id
    assert record.status == "completed"
    assert changed(record) == {}
    for target in record.targets.values():
        # Nothing of tls is there where it is switched off.
        assert {name for name, its in target.components.items() if not its.unchanged} == {"tls"}
        assert not any(target.resources_created.model_dump().values())
    assert all_units(lab) == before


def test_each_record_holds_the_hash_of_the_one_before(deployed: Platform) -> None:
    history = deployed.project.state / "history"
    if len(deployed.project.records()) < 2:
        deployed.converge()
    records = deployed.project.records()
    assert records[0].previous is None
    for older, newer in pairwise(records):
        content = (history / f"{older.deployment_id}.json").read_bytes()
        assert newer.previous is not None
        assert newer.previous.deployment_id == older.deployment_id
        assert newer.previous.sha256 == sha256_of(content)


def test_dry_run_plans_nothing_and_writes_no_record(deployed: Platform) -> None:
    known = len(deployed.project.records())
    outcome = deployed.project.deploy("--dry", "--json")
    assert outcome.code == 0, outcome
    plan = Plan.model_validate(outcome.json)
    components = [each for target in plan.targets.values() for each in target.components.values()]
    assert sum(each.unchanged for each in components) > 200
    assert [each.changes for each in components if each.changes] == [] and plan.changes == 0
    text = deployed.project.deploy("--dry").text
    assert [line for line in text.splitlines() if "nothing to do" in line] == [
        "    observability  nothing to do", "    vpsmanager     nothing to do"
    ]  # fmt: skip
    assert len(deployed.project.records()) == known
