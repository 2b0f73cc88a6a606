"""Lanes on pyinfra's fake connector: side by side, failing alone, waiting by need."""

import time
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import gevent
import pytest
from pyinfra.api import Host, State
from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.operation import add_op
from pyinfra.connectors.fake import FakeConnector
from pyinfra.operations import server

from state.lanes import Lane, Lanes, Observer
from tests.unit.helpers import Operation, Steady, Step, fake_state


class Diary(Observer):
    """Remembers what happened, in order, as (event, target, component or operation)."""

    def __init__(self) -> None:
        self.entries: list[tuple[str, str, str]] = []
        self.times: dict[tuple[str, str, str], float] = {}

    def _note(self, event: str, lane: Lane, what: str) -> None:
        entry = (event, lane.host.name.removeprefix("@fake/"), what)
        self.entries.append(entry)
        self.times[entry] = time.monotonic()

    def lane_ended(self, lane: Lane, completed: bool) -> None:
        self._note("lane", lane, "completed" if completed else "failed")

    def step_started(self, lane: Lane, step: Any) -> None:
        self._note("started", lane, step.component)

    def step_waits(self, lane: Lane, step: Any, nodes: Any) -> None:
        self._note("waits", lane, step.component)

    def step_completed(self, lane: Lane, step: Any) -> None:
        self._note("completed", lane, step.component)

    def step_skipped(self, lane: Lane, step: Any, reason: str) -> None:
        self._note("skipped", lane, f"{step.component}: {reason}")

    def operation_starts(self, lane: Lane, step: Any, operation: Any) -> None:
        self._note("operation", lane, operation.label)

    def step_failed(self, lane: Lane, step: Any, operation: Any, message: str) -> None:
        self._note("failed", lane, step.component)
        self._note("message", lane, message)

    def step_interrupted(self, lane: Lane, step: Any) -> None:
        self._note("interrupted", lane, step.component)

    def link_lost(self, lane: Lane, doing: str) -> None:
        self._note("link lost", lane, doing)

    def link_mended(self, lane: Lane) -> None:
        self._note("link made", lane, "")


def lane(
    state: State,
    name: str,
    role: str,
    steps: dict[str, list[str]],
    tolerates: Mapping[str, Sequence[str]] = MappingProxyType({}),
    **needs: Any,
) -> Lane:
    """A lane whose components run the given shell commands; ``needs``: component → its needs.

    A command with "alone" in it is one whose failure keeps nothing else from being done.
    """
    host = state.inventory.get_host(f"@fake/{name}")
    made = []
    for component, commands in steps.items():
        step = Step(
            component,
            tuple(needs.get(component, ())),
            tolerates=tuple(tolerates.get(component, ())),
        )
        for command in commands:
            add_op(state, server.shell, commands=[command], name=command, host=host)
            alone = "alone" in command
            step.operations.append(Operation(host.op_hash_order[-1], command, alone=alone))
        made.append(step)
    return Lane(host, role, made)


def run(state: State, *lanes: Lane, slots: int = 10) -> Diary:
    state.is_executing = True
    diary = Diary()
    Lanes(state, lanes, [diary], slots, Steady()).run()
    return diary


def failing(*names: str) -> State:
    return fake_state(names, {"fail": {"success": False, "stderr": "no"}})


def executed(state: State, name: str) -> list[str]:
    """The commands that a host has been given."""
    connector = state.inventory.get_host(f"@fake/{name}").connector
    assert isinstance(connector, FakeConnector)
    return connector.executed_commands


def test_two_targets_run_side_by_side() -> None:
    state = fake_state(["a", "b"], delays={"a": 0.05, "b": 0.05})
    first = lane(state, "a", "x", {"one": ["echo 1", "echo 2"]})
    second = lane(state, "b", "y", {"two": ["echo 3", "echo 4"]})
    diary = run(state, first, second)
    order = [entry[1] for entry in diary.entries if entry[0] == "operation"]
    assert order == ["a", "b", "a", "b"]


def test_a_target_runs_its_own_operations_in_order() -> None:
    state = fake_state(["a", "b"])
    first = lane(state, "a", "x", {"one": ["echo 1"], "two": ["echo 2", "echo 3"]})
    second = lane(state, "b", "y", {"three": ["echo 4"]})
    run(state, first, second)
    assert executed(state, "a") == ["echo 1", "echo 2", "echo 3"]


def test_a_failing_operation_ends_its_own_lane_only() -> None:
    state = failing("a", "b")
    first = lane(state, "a", "x", {"one": ["echo 1", "fail", "echo 2"], "two": ["echo 3"]})
    second = lane(state, "b", "y", {"three": ["echo 4", "echo 5"]})
    diary = run(state, first, second)
    assert executed(state, "a") == ["echo 1", "fail"]
    assert executed(state, "b") == ["echo 4", "echo 5"]
    assert state.failed_hosts == {first.host}
    assert ("lane", "a", "failed") in diary.entries
    assert ("lane", "b", "completed") in diary.entries


def test_what_fails_alone_lets_the_rest_of_its_component_run() -> None:
    state = failing("a")
    first = lane(state, "a", "x", {"one": ["echo 1", "fail alone", "echo 2"], "two": ["echo 3"]})
    diary = run(state, first)
    assert executed(state, "a") == ["echo 1", "fail alone", "echo 2", "echo 3"]
    assert ("lane", "a", "failed") in diary.entries
    assert ("completed", "a", "one") not in diary.entries
    assert state.failed_hosts == {first.host}


def test_each_that_fails_alone_is_told() -> None:
    state = failing("a")
    first = lane(state, "a", "x", {"one": ["fail alone 1", "echo 1", "fail alone 2"]})
    diary = run(state, first)
    assert [entry for entry in diary.entries if entry[0] == "failed"] == [
        ("failed", "a", "one")
    ] * 2


def test_what_fails_for_all_ends_the_component_whatever_failed_alone() -> None:
    state = failing("a")
    run(state, lane(state, "a", "x", {"one": ["fail alone", "fail", "echo 2"]}))
    assert executed(state, "a") == ["fail alone", "fail"]


def test_what_needs_a_component_in_which_something_failed_alone_is_skipped() -> None:
    state = failing("a", "b")
    first = lane(state, "a", "x", {"one": ["fail alone", "echo 1"]})
    second = lane(state, "b", "y", {"two": ["echo 2"]}, two=["x.one"])
    diary = run(state, first, second)
    assert executed(state, "b") == []
    assert ("skipped", "b", "two: one of @fake/a was not completed") in diary.entries


def test_what_tolerates_failures_of_that_kind_runs_after_them() -> None:
    state = failing("a")
    steps = {"one": ["fail alone"], "two": ["echo 2"], "three": ["echo 3"]}
    first = lane(state, "a", "x", steps, {"two": ["one"]}, two=["one"], three=["one"])
    diary = run(state, first)
    assert executed(state, "a") == ["fail alone", "echo 2"]
    assert ("skipped", "a", "three: one of @fake/a was not completed") in diary.entries


def test_what_tolerates_failures_of_one_application_tolerates_no_others() -> None:
    state = failing("a", "b")
    first = lane(state, "a", "x", {"one": ["fail"]})
    second = lane(state, "b", "y", {"two": ["echo 2"]}, {"two": ["x.one"]}, two=["x.one"])
    run(state, first, second)
    assert executed(state, "b") == []


def test_targets_on_which_nothing_else_failed_are_known() -> None:
    state = failing("a", "b")
    lanes = Lanes(
        state,
        [
            lane(state, "a", "x", {"one": ["fail alone"], "two": ["echo 2"]}),
            lane(state, "b", "y", {"one": ["fail alone"], "two": ["fail"]}),
        ],
        [],
        10,
        Steady(),
    )
    state.is_executing = True
    lanes.run()
    assert lanes.partial == {"@fake/a"}


def test_all_lanes_may_fail_without_an_exception() -> None:
    state = failing("a", "b")
    run(state, lane(state, "a", "x", {"one": ["fail"]}), lane(state, "b", "y", {"two": ["fail"]}))
    assert len(state.failed_hosts) == 2


def test_an_exception_in_an_operation_fails_the_lane_and_names_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    state = fake_state(["a", "b"])
    first = lane(state, "a", "x", {"one": ["echo 1"]})
    second = lane(state, "b", "y", {"two": ["echo 2"]})

    def broken(*args: Any, **kwargs: Any) -> Any:
        raise EOFError("the connection is gone")

    monkeypatch.setattr(first.host.connector, "run_shell_command", broken)
    messages = []

    class Ear(Observer):
        def step_failed(self, lane: Lane, step: Any, operation: Any, message: str) -> None:
            messages.append(message)

    state.is_executing = True
    Lanes(state, [first, second], [Ear()], 10, Steady()).run()
    assert messages == ["EOFError: the connection is gone"]
    assert state.failed_hosts == {first.host}


def test_a_component_waits_for_one_of_another_target() -> None:
    state = fake_state(["a", "b"], delays={"b": 0.05})
    first = lane(state, "a", "x", {"one": ["echo 1"]}, one=["y.two"])
    second = lane(state, "b", "y", {"two": ["echo 2", "echo 3"]})
    diary = run(state, first, second)
    entries = diary.entries
    assert entries.index(("waits", "a", "one")) < entries.index(("completed", "b", "two"))
    assert entries.index(("completed", "b", "two")) < entries.index(("started", "a", "one"))


def test_what_needs_a_failed_component_is_skipped_and_the_lane_goes_on() -> None:
    state = failing("a", "b")
    steps = {"one": ["echo 1"], "proof": ["echo 2"], "after": ["echo 3"]}
    first = lane(state, "a", "x", steps, proof=["y.two"], after=["one"])
    second = lane(state, "b", "y", {"two": ["fail"]})
    diary = run(state, first, second)
    assert ("skipped", "a", "proof: two of @fake/b was not completed") in diary.entries
    assert ("completed", "a", "after") in diary.entries
    assert ("lane", "a", "completed") in diary.entries
    assert ("operation", "a", "echo 2") not in diary.entries


def test_a_component_behind_a_failed_one_never_keeps_others_waiting() -> None:
    state = failing("a", "b")
    first = lane(state, "a", "x", {"proof": ["echo 1"]}, proof=["y.late"])
    second = lane(state, "b", "y", {"early": ["fail"], "late": ["echo 2"]})
    diary = run(state, first, second)
    assert ("skipped", "a", "proof: late of @fake/b was not completed") in diary.entries


def test_what_needs_a_target_that_was_left_out_is_skipped() -> None:
    state = fake_state(["a"])
    only = lane(state, "a", "x", {"proof": ["echo 1"]}, proof=["y.two"])
    diary = Diary()
    state.is_executing = True
    Lanes(state, [only], [diary], 10, Steady(), left_out={"b": "y"}).run()
    assert diary.entries == [
        ("skipped", "a", "proof: two of b was not completed"),
        ("lane", "a", "completed"),
    ]


def test_one_slot_runs_one_target_after_the_other() -> None:
    state = fake_state(["a", "b"], delays={"a": 0.01, "b": 0.01})
    lanes = [lane(state, name, name, {"one": ["echo 1", "echo 2"]}) for name in "ab"]
    diary = run(state, *lanes, slots=1)
    assert [entry[1] for entry in diary.entries if entry[0] == "operation"] == ["a", "a", "b", "b"]


def test_a_waiting_lane_holds_no_slot() -> None:
    """With one slot, the lane that is waited for must get it."""
    state = fake_state(["a", "b"])
    first = lane(state, "a", "x", {"one": ["echo 1"], "two": ["echo 2"]}, two=["y.three"])
    second = lane(state, "b", "y", {"three": ["echo 3"]})
    diary = run(state, first, second, slots=1)
    assert diary.entries[-1] == ("lane", "a", "completed")


def test_fail_percent_stops_the_other_lanes_before_their_next_operation() -> None:
    state = fake_state(["a", "b"], {"fail": {"success": False}}, {"a": 0.02, "b": 0.2})
    state.config.FAIL_PERCENT = 0
    first = lane(state, "a", "x", {"one": ["fail"]})
    second = lane(state, "b", "y", {"two": ["echo 1", "echo 2"]})
    with pytest.raises(PyinfraError, match="Over 0% of hosts failed"):
        run(state, first, second)
    assert executed(state, "b") == ["echo 1"]


def test_what_interrupts_the_caller_ends_all_lanes() -> None:
    state = fake_state(["a", "b"], delays={"a": 30, "b": 30})
    lanes = [lane(state, name, name, {"one": ["echo 1", "echo 2"]}) for name in "ab"]
    main = gevent.getcurrent()
    gevent.spawn_later(0.05, lambda: main.throw(SystemExit(130)))
    with pytest.raises(SystemExit):
        run(state, *lanes)
    assert executed(state, "a") == executed(state, "b") == ["echo 1"]


def test_interrupted_lanes_end_what_is_under_way_and_begin_nothing() -> None:
    state = fake_state(["a", "b"], delays={"a": 0.6, "b": 0.2})
    diary = Diary()
    lanes = Lanes(
        state,
        [
            lane(state, "a", "x", {"one": ["a1", "a2"], "two": ["a3"]}),
            lane(state, "b", "y", {"one": ["b1"], "two": ["b2"]}, two=["x.two"]),
        ],
        [diary],
        10,
        Steady(),
    )
    state.is_executing = True
    running = gevent.spawn(lanes.run)
    gevent.sleep(0.4)
    assert lanes.interrupt() == ["a1 of @fake/a"]
    running.get(timeout=60)
    assert executed(state, "a") == ["a1"]
    assert executed(state, "b") == ["b1"]
    assert ("interrupted", "a", "one") in diary.entries
    assert not [entry for entry in diary.entries if entry[0] in ("failed", "lane")]


def test_what_does_not_end_in_time_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("state.lanes.GRACE_S", 0.2)
    state, diary = fake_state(["a"], delays={"a": 30}), Diary()
    lanes = Lanes(state, [lane(state, "a", "x", {"one": ["a1"]})], [diary], 10, Steady())
    state.is_executing = True
    running = gevent.spawn(lanes.run)
    gevent.sleep(0.1)
    lanes.interrupt()
    running.get(timeout=60)
    assert [entry[0] for entry in diary.entries] == ["started", "operation"]


class Shaky(Steady):
    """A link that is lost once ``a2`` has failed, until it is mended, if it can be."""

    def __init__(self, state: State, answer: dict[str, Any], can_be_mended: bool) -> None:
        self.state = state
        self.answer = answer
        self.can_be_mended = can_be_mended
        self.mended = 0

    def is_lost(self, host: Host) -> bool:
        return "a2" in executed(self.state, "a") and not self.answer["success"]

    def was_lost(self, host: Host) -> bool:
        return self.is_lost(host)

    def mend(self, host: Host) -> str | None:
        if not self.is_lost(host):
            return None
        if not self.can_be_mended:
            return "the connection was lost, and could not be made again"
        self.mended += 1
        self.answer["success"] = True
        return None


def shaken(can_be_mended: bool) -> tuple[State, Shaky, Diary]:
    """A lane whose second operation loses the connection."""
    answer = {"success": False}
    state = fake_state(["a"], {"a2": answer})
    links, diary = Shaky(state, answer, can_be_mended), Diary()
    lanes = Lanes(state, [lane(state, "a", "x", {"one": ["a1", "a2", "a3"]})], [diary], 10, links)
    state.is_executing = True
    lanes.run()
    return state, links, diary


def test_what_was_under_way_when_the_connection_was_lost_is_done_again() -> None:
    state, links, diary = shaken(can_be_mended=True)
    assert links.mended == 1
    assert ("lane", "a", "completed") in diary.entries
    assert [entry[0] for entry in diary.entries if "link" in entry[0]] == ["link lost", "link made"]
    host = state.inventory.get_host("@fake/a")
    results = state.get_results_for_host(host)
    assert (results.success_ops, results.error_ops) == (3, 0)
    assert not state.failed_hosts


def test_a_connection_that_stays_lost_fails_with_what_was_under_way() -> None:
    state, _, diary = shaken(can_be_mended=False)
    assert ("lane", "a", "failed") in diary.entries
    assert ("message", "a", "the connection was lost, and could not be made again; a2 was under way"
    ) in diary.entries  # fmt: skip
    assert len(state.failed_hosts) == 1
