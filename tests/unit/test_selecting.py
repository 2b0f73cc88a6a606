"""Which components a deploy is about, by ``--data only=`` and ``--data skip=``."""

from dataclasses import dataclass

import pytest

from configs import ConfigurationError
from state.selecting import Selection, select


@dataclass(frozen=True)
class Item:
    name: str
    needs: tuple[str, ...] = ()


STACKS = {
    "watcher": [Item("base"), Item("show", ("base",)), Item("scrape", ("show", "worker.web"))],
    "worker": [
        Item("base"),
        Item("db", ("base",)),
        Item("app", ("db",)),
        Item("web", ("base",)),
        Item("odd", ("base",)),
    ],
}


def chosen(selection: Selection) -> dict[str, list[str]]:
    return {role: [item.name for item in its] for role, its in selection.of(STACKS).items()}


def test_without_a_choice_all_is_deployed() -> None:
    found = select(STACKS, [], [])
    assert found.whole and found.lines == []
    assert chosen(found) == {role: [item.name for item in its] for role, its in STACKS.items()}


def test_what_is_chosen_brings_along_what_it_needs() -> None:
    found = select(STACKS, ["app"], [])
    assert chosen(found) == {"watcher": [], "worker": ["base", "db", "app"]}
    assert not found.whole
    assert found.lines == ["needed by them, and deployed as well: base, db"]


def test_a_need_of_another_role_is_brought_along_too() -> None:
    found = select(STACKS, ["scrape"], [])
    assert chosen(found) == {"watcher": ["base", "show", "scrape"], "worker": ["base", "web"]}


def test_a_name_stands_for_the_component_of_every_role() -> None:
    assert chosen(select(STACKS, ["base"], [])) == {"watcher": ["base"], "worker": ["base"]}


def test_what_needs_a_skipped_one_is_left_out_as_well() -> None:
    found = select(STACKS, [], ["web"])
    assert chosen(found) == {"watcher": ["base", "show"], "worker": ["base", "db", "app", "odd"]}
    assert found.lines == ["left out, as they need one that is: scrape"]


def test_only_and_skip_together() -> None:
    found = select(STACKS, ["app", "odd"], ["db"])
    assert chosen(found) == {"watcher": [], "worker": ["base", "odd"]}
    assert found.lines == [
        "needed by them, and deployed as well: base",
        "left out, as they need one that is: app",
    ]


@pytest.mark.parametrize(
    ("only", "skip", "words"),
    [
        (["ap"], [], ['"ap"', "did you mean app?", "\n  only\n"]),
        ([], ["wep"], ['"wep"', "did you mean web?", "\n  skip\n"]),
        (["zzz"], ["yyy"], ["2 problems", '"zzz"', '"yyy"', "name one of these"]),
        ([], ["base"], ["do not skip it: every component needs it"]),
        (["app"], ["app", "base"], ["app, base", "do not skip it: app needs it"]),
    ],
)
def test_what_cannot_be_meant_is_refused(
    only: list[str], skip: list[str], words: list[str]
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        select(STACKS, only, skip)
    for each in words:
        assert each in str(caught.value)
