"""Which machine a target is: one goes by one name, and may be renamed."""

from pathlib import Path
from typing import Any

import pytest

from configs import Target
from state.machines import Machines, assumed_machine, read_machine, unnamed
from state.record import Target as RecordedTarget
from state.store import Store
from tests.unit.helpers import configuration
from tests.unit.test_copies import ONE, TWO
from tests.unit.test_record import record
from tests.unit.test_run import FakeRun

A, B = "a" * 16, "b" * 16


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def deployed(store: Store, deployment_id: str, name: str, address: str, machine: str) -> None:
    target = RecordedTarget(
        role="r",
        address=address,
        hardware={"machine": machine},
        components={"c": {"created": [{"kind": "files", "name": "/a"}]}},  # type: ignore[dict-item]
    )
    targets: Any = {name: target}
    store.save(record(deployment_id, status="completed", targets=targets))


def test_two_names_of_one_machine_are_both_refused(store: Store) -> None:
    machines = Machines(store, ["one", "two", "three"])
    assert machines.saw("one", A) == machines.saw("two", B) == {}
    found = machines.saw("three", A)
    assert list(found) == ["three", "one"]
    assert found["one"].found == "one is the same machine as three"
    assert found["three"].found == "three is the same machine as one"
    assert "leave one of the two out of the inventory" in found["one"].remedy
    assert "rm /etc/machine-id" in found["one"].remedy and not found["one"].warning


def test_a_server_that_claims_to_be_another_one_stops_only_itself(store: Store) -> None:
    deployed(store, ONE, "honest", "10.0.0.1", A)
    deployed(store, TWO, "liar", "10.0.0.2", B)
    for order in (["honest", "liar"], ["liar", "honest"]):
        machines = Machines(store, ["honest", "liar"])
        found = [name for each in order for name in machines.saw(each, A)]
        assert set(found) == {"liar"}
    # Nor does it stop the other one by what it said in an earlier run.
    for name in ("honest", "liar"):
        store.save_hardware(name, {"machine": A})
    assert Machines(store, ["honest", "liar"]).saw("honest", A) == {}
    assert list(Machines(store, ["honest", "liar"]).saw("liar", A)) == ["liar"]


def test_machines_that_tell_nothing_of_themselves_are_not_the_same(store: Store) -> None:
    machines = Machines(store, ["one", "two"])
    assert machines.saw("one", "") == machines.saw("two", "") == {}


def test_a_target_that_takes_no_part_is_the_machine_that_it_was(store: Store) -> None:
    store.save_hardware("two", {"machine": A})
    assert read_machine(store, "two") == A
    found = Machines(store, ["one", "two"]).saw("one", A)
    assert list(found) == ["one"]
    assert found["one"].found.endswith("as two, as it was when that was deployed to last")
    assert "deploy to both together" in found["one"].remedy
    # It is another one in this run, or its name is not in the inventory any more.
    both = Machines(store, ["one", "two"])
    assert both.saw("two", B) == both.saw("one", A) == {}
    assert Machines(store, ["one"]).saw("one", A) == {}


@pytest.mark.parametrize("text", ["{", "[]", '{"cpu": 1}'])
def test_hardware_that_tells_no_machine_is_none(store: Store, text: str) -> None:
    store.save_hardware("one", {})
    (store.hardware / "one.json").write_text(text)
    assert read_machine(store, "one") == "" == read_machine(store, "never seen")


@pytest.fixture
def target(tmp_path: Path) -> Target:
    return configuration(tmp_path).targets["vpsmanager"]


def test_a_new_name_at_the_old_address_is_taken_for_the_machine(
    store: Store, target: Target
) -> None:
    deployed(store, ONE, "old", target.address, A)
    assert assumed_machine(store, target, [target.name]) == A
    assert assumed_machine(store, target, [target.name, "old"]) == ""
    deployed(store, TWO, target.name, "another address", B)
    assert assumed_machine(store, target, [target.name]) == B


def test_nothing_is_assumed_of_an_address_that_nobody_had(store: Store, target: Target) -> None:
    deployed(store, ONE, "old", "another address", A)
    assert assumed_machine(store, target, [target.name]) == ""
    [line] = unnamed(store, [target.name])
    assert "something of ours is still on old, which the inventory does not name" in line
    assert unnamed(store, ["old"]) == []


def test_a_run_to_two_names_of_one_machine_changes_nothing(tmp_path: Path) -> None:
    fake = FakeRun(tmp_path)
    done = fake("-y", FAKE_MACHINE=A)
    assert done.returncode == 1, done.stderr
    for name, other in (("vpsmanager", "observability"), ("observability", "vpsmanager")):
        line = f"✗ @fake/{name}: machine: found @fake/{name} is the same machine as @fake/{other}"
        assert line in done.stderr
    assert "nothing was changed" in done.stderr
    assert fake.records == []
