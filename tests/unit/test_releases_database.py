"""The database of a release: dumped before it is migrated, and not without need."""

from pathlib import Path

import pytest

from tests.unit.releasing import Machine


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """With a database that has something in it."""
    made = Machine(tmp_path, monkeypatch)
    made.change_database("first")
    made.deploy()
    made.commands.clear()
    return made


def dumps(machine: Machine) -> list[str]:
    return sorted(path.name for path in machine.app.dumps.iterdir())


def test_what_asks_for_no_migration_leaves_it_alone(machine: Machine) -> None:
    machine.change("two")
    machine.deploy()
    assert not {"dump", "artisan migrate"} & set(machine.commands)
    assert machine.last().dump == ""


def test_it_is_dumped_before_it_is_migrated(machine: Machine) -> None:
    machine.change_database("second")
    live = machine.deploy()
    commands = machine.commands
    assert commands.index("dump") < commands.index("artisan migrate") < commands.index("curl")
    assert dumps(machine) == [f"{live}.sql.gz"]
    assert (machine.app.dumps / f"{live}.sql.gz").read_text() == "first.php"
    assert machine.app.dumps.stat().st_mode & 0o777 == 0o700


def test_an_empty_one_is_not_dumped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(tmp_path, monkeypatch)
    machine.change_database("first")
    machine.deploy()
    assert "artisan migrate" in machine.commands and "dump" not in machine.commands


def test_one_without_a_table_of_migrations_is_migrated(machine: Machine) -> None:
    machine.fails = {"artisan migrate:status"}
    machine.change_database("second")
    machine.deploy()
    assert "artisan migrate" in machine.commands


@pytest.mark.parametrize(
    ("said", "pending"),
    [
        ("  2026_create_orders ......... Pending", True),
        ("| No   | 2026_create_orders | |", True),
        ("  2026_create_orders ......... [1] Ran", False),
        ("  2026_create_pending_orders . [1] Ran", False),
        ("| Yes  | 2026_No_orders | 1 |", False),
    ],
)
def test_what_laravel_says_of_migrations(machine: Machine, said: str, pending: bool) -> None:
    machine.says = {"artisan migrate:status": said}
    machine.change("two")
    machine.deploy()
    assert ("artisan migrate" in machine.commands) == pending


def test_without_a_dump_nothing_is_migrated(machine: Machine) -> None:
    machine.fails = {"dump"}
    machine.change_database("second")
    assert machine.fail().step == "dump"
    assert "artisan migrate" not in machine.commands
    assert dumps(machine) == []


def test_who_fails_is_told_how_to_have_it_as_before(machine: Machine) -> None:
    machine.fails = {"artisan migrate"}
    machine.change_database("second")
    failure = machine.fail()
    [dump] = machine.app.dumps.iterdir()
    assert failure.output[-1] == f"the database as it was before: zcat {dump} | mariadb shop"
    assert machine.last().output[-1] == failure.output[-1]


def test_the_newest_dumps_are_kept(machine: Machine) -> None:
    made = []
    for word in ("two", "three", "four"):
        machine.change_database(word)
        made.append(f"{machine.deploy()}.sql.gz")
    assert dumps(machine) == made[-2:]


def test_migrations_that_fail_again_and_again_fill_no_disk(machine: Machine) -> None:
    machine.fails = {"artisan migrate"}
    for word in ("two", "three", "four", "five"):
        machine.change_database(word)
        machine.fail()
    assert len(dumps(machine)) == 2


def test_a_half_made_dump_is_removed(machine: Machine) -> None:
    machine.app.dumps.mkdir()
    (machine.app.dumps / "killed.sql.part").write_text("half of it")
    machine.change_database("second")
    machine.deploy()
    assert machine.left_behind() == set()
