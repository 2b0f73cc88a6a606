"""The needs of components: found wanting before anything connects."""

from dataclasses import dataclass

import pytest

from state.graph import NeedsError, check, needed_nodes
from tasks.stacks import STACKS


@dataclass(frozen=True)
class Item:
    name: str
    needs: tuple[str, ...] = ()


def test_the_real_stacks_are_in_order() -> None:
    check(STACKS)


def test_an_unknown_need_names_what_is_known() -> None:
    with pytest.raises(NeedsError) as caught:
        check({"a": [Item("base"), Item("web", ("bass",))], "b": [Item("db")]})
    assert caught.value.problems == [
        "a.web needs bass, which no stack has; known are b.db, base, web"
    ]


def test_a_need_of_another_role_is_looked_up_there() -> None:
    check({"a": [Item("web", ("b.db",))], "b": [Item("db")]})
    with pytest.raises(NeedsError, match=r"a\.web needs b\.cache, which no stack has"):
        check({"a": [Item("web", ("b.cache",))], "b": [Item("db")]})


def test_a_need_must_stand_before_in_its_own_stack() -> None:
    with pytest.raises(NeedsError, match=r"a\.web needs db, which stands after it"):
        check({"a": [Item("web", ("db",)), Item("db")]})


def test_two_roles_that_wait_for_each_other_are_a_circle() -> None:
    with pytest.raises(NeedsError) as caught:
        check({"a": [Item("one", ("b.two",))], "b": [Item("two", ("a.one",))]})
    assert caught.value.problems[0].startswith("needs in a circle: ")
    assert "a.one" in str(caught.value) and "b.two" in str(caught.value)


def test_the_order_of_a_stack_takes_part_in_a_circle() -> None:
    """one waits for two of the other role, which stands behind what waits for one."""
    with pytest.raises(NeedsError, match="circle"):
        check(
            {
                "a": [Item("one", ("b.two",))],
                "b": [Item("first", ("a.one",)), Item("two")],
            }
        )


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(NeedsError) as caught:
        check({"a": [Item("x", ("nope",)), Item("y", ("z",)), Item("z")]})
    assert len(caught.value.problems) == 2


def test_needs_mean_every_target_of_a_role_that_is_in_the_run() -> None:
    roles = {"o": "observability", "v1": "vpsmanager", "v2": "vpsmanager"}
    assert needed_nodes(["base", "vpsmanager.node"], "observability", "o", roles) == {
        ("o", "base"),
        ("v1", "node"),
        ("v2", "node"),
    }
    assert needed_nodes(["vpsmanager.node"], "observability", "o", {"o": "observability"}) == set()
