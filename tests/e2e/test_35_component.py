"""A component of one's own, as docs/adding-a-component.md adds one: nothing else is to be done."""

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from state.record import Record
from tests.documents import CONFIRMED, Block, blocks, run, terminal, to_run
from tests.e2e.machines import answer, listeners, properties
from tests.e2e.platform import Platform
from tests.e2e.project import Project, changed
from tests.lab.paths import PROJECT

PAGE = PROJECT / "docs" / "adding-a-component.md"
NAME, MACHINE, PORT = "memcached", "vpsmanager", 11211
CONFIGURATION = "/etc/memcached.conf"


@dataclass(frozen=True)
class Added:
    """What came of the page's commands: what each printed, and the records of the deployments.

    ``listened``, ``state``: where it listened, and how its unit was, before it was taken away.
    """

    platform: Platform
    printed: list[str]
    records: list[Record]
    listened: set[str]
    state: str


@pytest.fixture(scope="module")
def added(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Added:
    """Follow the page to its end, in a checkout of one who adds the component."""
    platform.settle()
    platform.unsettle()
    lab, project = platform.lab, Project(tmp_path_factory.mktemp("checkout"), platform.lab)
    project.secrets_env = platform.project.secrets_env
    _add_component(project.folder)
    [(_, commands)] = to_run("component")
    usual = terminal(tmp_path_factory.mktemp("home"))
    env = {**usual, **project.secrets_env, "CHOM_INVENTORY": str(project.inventory())}
    *before, teardown = commands
    printed = [run(command, project.folder, env, CONFIRMED) for command in before]
    listened = listeners(lab, MACHINE, PORT)
    state = properties(lab, MACHINE, f"{NAME}.service", "ActiveState")["ActiveState"]
    printed.append(run(teardown, project.folder, env, CONFIRMED))
    return Added(platform, printed, project.records()[-3:], listened, state)


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


def test_it_is_short() -> None:
    [code] = [block for block in blocks(PAGE) if block.language == "python"]
    assert len(code.lines) <= 20


def test_the_plan_has_it(added: Added) -> None:
    assert CONFIGURATION in added.printed[0]


def test_its_progress_is_shown(added: Added) -> None:
    assert re.search(rf"{MACHINE} +{NAME}: [1-9]\d* changed", added.printed[1])


def test_it_runs_as_it_was_described(added: Added) -> None:
    assert added.state == "active"
    assert added.listened == {"127.0.0.1"}


def test_the_record_has_its_version_and_what_was_created(added: Added) -> None:
    found = added.records[0].targets[MACHINE].components[NAME]
    assert (found.status, found.changed) == ("completed", 2)
    assert re.match(r"\d+\.\d+", found.version or "")
    created = {(each.kind, each.name) for each in found.created}
    assert created >= {
        ("packages", NAME), ("files", CONFIGURATION), ("services", f"{NAME}.service")
    }  # fmt: skip


def test_a_second_run_changes_nothing(added: Added) -> None:
    assert changed(added.records[1]) == {}


def test_it_is_taken_away_and_nothing_else(added: Added) -> None:
    lab, record = added.platform.lab, added.records[2]
    removed = {
        (each.kind, each.name)
        for target in record.targets.values()
        for component in target.components.values()
        for each in component.removed
    }
    assert {("packages", NAME), ("files", CONFIGURATION)} <= removed
    assert all(NAME in name for _, name in removed), removed
    status = f"dpkg-query -W -f='${{db:Status-Abbrev}}' {NAME} 2>/dev/null || true"
    assert answer(lab, MACHINE, status).strip() in ("", "un")
    assert listeners(lab, MACHINE, PORT) == set()
    added.platform.settle()
    assert changed(added.platform.project.record()) == {}
