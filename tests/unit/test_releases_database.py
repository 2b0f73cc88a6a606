"""The database of a release: dumped before it is migrated, and not without need."""

import shutil
from pathlib import Path

import pytest

from tests.unit.releasing import Machine


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """With a database that has something in it."""
    made = Machine(tmp_path, monkeypatch)
    made.change_database("first")
    made.deploy()
    shutil.rmtree(made.app.dumps)
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


def test_the_dump_of_an_empty_one_is_not_announced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    machine = Machine(tmp_path, monkeypatch)
    machine.change_database("first")
    machine.deploy()
    assert "artisan migrate" in machine.commands and machine.last().dump == ""
    assert "zcat" not in capsys.readouterr().out


def test_a_first_migration_that_fails_can_be_undone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine(tmp_path, monkeypatch)
    machine.fails = {"artisan migrate"}
    machine.change_database("first")
    failure = machine.fail()
    [dump] = machine.app.dumps.iterdir()
    assert failure.output[-1] == f"the database as it was before: zcat {dump} | mariadb shop"


def test_one_elsewhere_is_not_dumped_and_that_is_said(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.change_database("second")
    machine.app = machine.described(database_elsewhere="shop uses a database elsewhere (DB_HOST)")
    machine.deploy()
    assert "artisan migrate" in machine.commands and "dump" not in machine.commands
    said = capsys.readouterr().out
    assert "no dump: shop uses a database elsewhere (DB_HOST)" in said and "zcat" not in said


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


def test_migrations_that_fail_over_and_over_leave_the_dumps_of_before(machine: Machine) -> None:
    machine.change_database("two")
    good = [f"{machine.deploy()}.sql.gz"]
    machine.fails = {"artisan migrate"}
    failures = []
    for word in ("three", "four", "five", "six"):
        machine.change_database(word)
        failures.append(machine.fail())
    kept = dumps(machine)
    good.append(kept[1])
    assert kept[:2] == good and len(kept) == 3
    assert kept[2].endswith(".after-failed-migration.sql.gz")
    assert {failure.dump for failure in failures} == {str(machine.app.dumps / good[1])}
    before, now = failures[-1].output[-2:]
    assert (
        before
        == f"the database as it was before: zcat {machine.app.dumps / good[1]} | mariadb shop"
    )
    assert now.startswith(f"that is from before {good[1].removesuffix('.sql.gz')} failed")
    assert now.endswith(f"zcat {machine.app.dumps / kept[2]} | mariadb shop")


def test_a_migration_that_succeeds_after_a_failed_one_says_what_its_dump_holds(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.fails = {"artisan migrate"}
    machine.change_database("two")
    machine.fail()
    machine.fails = set()
    machine.change_database("three")
    machine.deploy()
    [good] = [name for name in dumps(machine) if "after" not in name]
    said = capsys.readouterr().out
    assert machine.last().dump == "" and "the database as it was before" not in said
    assert f"{good.removesuffix('.sql.gz')}, which failed to migrate it, had left it" in said
    # From here on dumps are what they were.
    machine.change_database("four")
    live = machine.deploy()
    assert machine.last().dump == str(machine.app.dumps / f"{live}.sql.gz")


def test_a_release_that_works_without_the_migration_that_failed_ends_the_matter(
    machine: Machine,
) -> None:
    machine.fails = {"artisan migrate"}
    machine.change_database("two")
    machine.fail()
    (machine.files / "database/migrations/two.php").unlink()
    machine.fails = set()
    machine.change("without")
    machine.deploy()
    machine.change_database("three")
    live = machine.deploy()
    assert machine.last().dump == str(machine.app.dumps / f"{live}.sql.gz")


def test_a_migration_that_was_killed_counts_as_a_failed_one(machine: Machine) -> None:
    def kill(name: str) -> None:
        if name == "artisan migrate":
            raise KeyboardInterrupt

    machine.change_database("two")
    machine.before = kill
    with pytest.raises(KeyboardInterrupt):
        machine.deploy()
    machine.before = lambda name: None
    machine.fails = {"artisan migrate"}
    failure = machine.fail()
    good, after = dumps(machine)
    assert failure.dump == str(machine.app.dumps / good) and "after-failed" in after


def test_a_half_made_dump_is_removed(machine: Machine) -> None:
    machine.app.dumps.mkdir()
    (machine.app.dumps / "killed.sql.part").write_text("half of it")
    machine.change_database("second")
    machine.deploy()
    assert machine.left_behind() == set()
