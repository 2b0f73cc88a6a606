"""A component of one's own, as docs/adding-a-component.md adds one: nothing else is to be done."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from state.record import Component, Record
from tests.documents import CONFIRMED, Block, blocks, run, terminal, to_run
from tests.e2e.machines import answer, listeners, properties
from tests.e2e.platform import Platform
from tests.e2e.project import Project, changed
from tests.lab.paths import PROJECT

PAGE = PROJECT / "docs" / "adding-a-component.md"
NAME, MACHINE, PORT = "memcached", "vpsmanager", 11211


@dataclass(frozen=True)
class Added:
    """What came of the commands of the page, in order: what each printed, and the records."""

    platform: Platform
    printed: list[str]
    plan: str
    deployed: Record
    again: Record
    torn_down: Record
    listened: set[str]
    was_active: str


@pytest.fixture(scope="module")
def added(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Added]:
    """A checkout of one who adds the component, and follows the page to its end."""
    platform.settle()
    platform.unsettle()
    project = Project(tmp_path_factory.mktemp("checkout"), platform.lab)
    project.secrets_env = platform.project.secrets_env
    _add_component(project.folder)
    [(_, commands)] = to_run("component")
    home = terminal(tmp_path_factory.mktemp("home"))
    env = {**home, **project.secrets_env, "CHOM_INVENTORY": str(project.inventory())}
    printed, listened, active = [], set(), ""
    for command in commands:
        if "teardown" in command.text:
            listened = listeners(platform.lab, MACHINE, PORT)
            active = properties(platform.lab, MACHINE, f"{NAME}.service", "ActiveState")[
                "ActiveState"
            ]
        printed.append(run(command, project.folder, env, CONFIRMED))
    first, again, torn_down = project.records()[-3:]
    yield Added(platform, printed, printed[0], first, again, torn_down, listened, active)


def _add_component(folder: Path) -> None:
    """Write what the page shows into a copy of the project: the files, and the lines with +."""
    for block in blocks(PAGE):
        if block.language == "python":
            path = folder / block.words
            path.parent.mkdir()
            path.write_text(block.text)
        elif block.language == "diff":
            _insert(folder / block.words, block)


def _insert(path: Path, block: Block) -> None:
    text = path.read_text()
    for before, line in zip(block.lines, block.lines[1:], strict=False):
        if line.startswith("+"):
            known = f"\n{before[1:]}\n"
            assert text.count(known) == 1, f"{block.place}: {before!r} is not there once"
            text = text.replace(known, f"{known}{line[1:]}\n")
    path.write_text(text)


def component_of(record: Record) -> Component:
    return record.targets[MACHINE].components[NAME]


def test_it_is_short() -> None:
    [code] = [block for block in blocks(PAGE) if block.language == "python"]
    assert len(code.lines) <= 20


def test_the_plan_has_it(added: Added) -> None:
    assert NAME in added.plan
    assert re.search(rf"{NAME} .*[|:]", added.plan) or NAME in added.plan


def test_its_progress_is_shown(added: Added) -> None:
    assert re.search(rf"{MACHINE} +{NAME}: [1-9]\d* changed", added.printed[1])


def test_it_runs_as_it_was_described(added: Added) -> None:
    assert added.was_active == "active"
    assert added.listened == {"127.0.0.1"}


def test_the_record_has_its_version_and_what_was_created(added: Added) -> None:
    found = component_of(added.deployed)
    assert found.status == "completed"
    assert re.fullmatch(r"\d+\.\d+\.\S+", found.version or "")
    created = {(each.kind, each.name) for each in found.created}
    assert created >= {("files", "/etc/memcached.conf"), ("services", f"{NAME}.service")}
    names = {name for record in (added.deployed,) for _, name in changed(record)}
    assert NAME in names


def test_a_second_run_changes_nothing(added: Added) -> None:
    assert changed(added.again) == {}


def test_it_is_taken_away_and_nothing_else(added: Added) -> None:
    removed = {
        (each.kind, each.name)
        for component in added.torn_down.targets[MACHINE].components.values()
        for each in component.removed
    }
    assert {("files", "/etc/memcached.conf"), ("packages", NAME)} <= removed
    assert all("memcached" in name for kind, name in removed if kind in ("services", "packages"))
    lab = added.platform.lab
    assert answer(lab, MACHINE, f"dpkg-query -W -f='${{db:Status-Abbrev}}' {NAME} || true") in (
        "",
        "un",
    )
    assert listeners(lab, MACHINE, PORT) == set()
    added.platform.settle()
    assert changed(added.platform.project.record()) == {}
