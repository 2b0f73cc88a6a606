"""A bad release never goes live: whatever is wrong with it, the page of before answers."""

import getpass
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import pytest

from state.record import Record
from tests.e2e.machines import answer
from tests.e2e.platform import Platform
from tests.e2e.polling import wait_for
from tests.e2e.shop import MACHINE, PROGRAM, ROOT, SOURCE, Shop, release_of

UP = (SOURCE / "app/Http/Controllers/PageController.php").read_text()
COMPOSER = (SOURCE / "composer.json").read_text()
MIGRATION = """<?php

use Illuminate\\Database\\Migrations\\Migration;
use Illuminate\\Support\\Facades\\DB;

return new class extends Migration
{
    public function up(): void
    {
        DB::statement('%s');
    }
};
"""


def unwell(condition: str) -> str:
    """The controller with a health page that is none where a condition of PHP's holds."""
    return UP.replace("$reached = [", f"abort_if({condition}, 500);\n        $reached = [", 1)


NOWHERE = "alter table nowhere add x int"

BROKEN: Mapping[str, tuple[dict[str, str], str]] = {
    "a syntax error in what every page needs": (
        {"routes/web.php": "<?php Route::get('/', ["},
        "storage:link",
    ),
    "a syntax error in one page": (
        {"app/Http/Controllers/PageController.php": UP + "\n}"},
        "health",
    ),
    "a view that asks for what there is not": (
        {"resources/views/other.blade.php": "<x-nowhere/>"},
        "view:cache",
    ),
    "a migration that fails": (
        {
            "database/migrations/2026_02_01_000001_bad.php": MIGRATION
            % "alter table nowhere add x int"
        },
        "migrate",
    ),
    "a PHP extension that is missing": (
        {"composer.json": COMPOSER.replace('"ext-redis"', '"ext-imap": "*", "ext-redis"')},
        "composer",
    ),
    "a package that is nowhere": (
        {"composer.json": COMPOSER.replace("chom/greeting", "chom/nowhere")},
        "composer",
    ),
    "a page that is not well": (
        {"app/Http/Controllers/PageController.php": unwell("true")},
        "health",
    ),
    "a page that is not well any more once it is public": (
        {
            "app/Http/Controllers/PageController.php": unwell(
                f"realpath('{ROOT}/current') === realpath(base_path())"
            )
        },
        "health after the switch",
    ),
}


@pytest.fixture(scope="module")
def shop(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """The shop, with one good release."""
    platform.settle()
    found = Shop(platform, tmp_path_factory.mktemp("releases") / "shop")
    found.deploy()
    return found


@pytest.fixture
def good(shop: Shop) -> Iterator[str]:
    """The release that serves before a test; afterwards the next good one goes live."""
    before = shop.serves()
    yield before
    shop.edit()
    record = shop.deploy()
    assert shop.serves() == release_of(record).release != before
    status, body = shop.ask("/")
    assert status == 200 and f"release: {shop.serves()}" in body


@pytest.mark.parametrize("what", BROKEN)
def test_the_page_of_before_answers(shop: Shop, good: str, what: str) -> None:
    files, step = BROKEN[what]
    kept = shop.releases()
    with shop.broken(files):
        outcome = shop.try_to_deploy()
    assert outcome.code == 1, outcome
    assert shop.serves() == good
    assert shop.ask("/up")[0] == 200
    record = shop.platform.project.record()
    failed(record, step)
    assert set(kept) <= set(shop.releases())


def failed(record: Record, step: str) -> None:
    """The record says which step of the release failed, with its output."""
    told, error = release_of(record), record.targets[MACHINE].error
    assert error and error.operation == "Release of shop"
    assert f"shop: the step {step} failed" in error.output[-1]
    assert told.last and (told.last.event, told.last.step) == ("bad", step)
    assert told.last.output
    assert told.release != told.last.release


def test_a_failed_migration_leaves_a_dump_and_the_way_back(shop: Shop, good: str) -> None:
    answer(shop.platform.lab, MACHINE, "mariadb shop -e \"insert into orders (item) values ('x')\"")
    count = answer(shop.platform.lab, MACHINE, "mariadb -NBe 'select count(*) from shop.orders'")
    path = "database/migrations/2026_02_02_000001_drops.php"
    statements = ("delete from orders", "create table half (id int)", NOWHERE)
    with shop.broken({path: MIGRATION % "'); DB::statement('".join(statements)}):
        outcome = shop.try_to_deploy()
    assert outcome.code == 1
    record = shop.platform.project.record()
    failed(record, "migrate")
    [line] = re.findall(r"zcat /var/backups/chom/shop/\S+ \| mariadb shop", outcome.text)[:1]
    look = "mariadb -NBe 'select count(*) from shop.orders'"
    assert answer(shop.platform.lab, MACHINE, look) == "0"
    answer(shop.platform.lab, MACHINE, line)
    assert answer(shop.platform.lab, MACHINE, look) == count
    tables = answer(shop.platform.lab, MACHINE, "mariadb -NBe 'show tables in shop'").split()
    assert "half" not in tables and shop.ask("/orders")[0] == 200
    assert answer(shop.platform.lab, MACHINE, "stat -c %a /var/backups/chom/shop") == "700"


def test_a_bad_application_stops_only_itself(shop: Shop, good: str) -> None:
    lab = shop.platform.lab
    jobs = {"workers": {"count": 1}, "scheduler": True}
    apps = {
        "fresh": {**shop.settings, "domain": "fresh.chom.test", **jobs},
        "laravel": jobs,
        "shop": shop.settings,
    }
    shop.platform.unsettle()
    with shop.broken(BROKEN["a view that asks for what there is not"][0]):
        outcome = shop.platform.project.deploy("-y", changes={"settings.apps": apps})
    assert outcome.code == 1
    record = shop.platform.project.record()
    target = record.targets[MACHINE]
    assert target.error and "Release of fresh" in target.error.message + str(target.error.operation)
    ended = {name: component.status for name, component in target.components.items()}
    assert {name for name, status in ended.items() if status == "failed"} == {"releases", "serving"}
    assert ended["workers"] == ended["app_metrics"] == "completed"
    units = "laravel-worker-1.service laravel-scheduler.timer fresh-worker-1.service"
    assert answer(lab, MACHINE, f"systemctl is-active {units} || true").split() == [
        "active",
        "active",
        "inactive",
    ]
    assert shop.serves() == good
    # The rest was verified, from all sides.
    checks = {check.name: check.problem for check in record.targets["observability"].checks}
    assert checks["every scrape target is up"] == checks["every rule is loaded and evaluates"] == ""
    assert checks[f"laravel: Prometheus sees it on {MACHINE}"] == ""
    assert "Could not resolve host" in "".join(checks.values())  # no name of the test leads here


@contextmanager
def small_disk(shop: Shop, size_mb: int) -> Iterator[None]:
    """Meanwhile the application's folder has a file system of its own, of that size."""
    lab, small = shop.platform.lab, "/mnt/small"
    mount = f"mkdir -p {small} && mount -t tmpfs -o size={size_mb}m,mode=755 tmpfs {small}"
    answer(lab, MACHINE, f"{mount} && cp -a {ROOT}/. {small} && mount --bind {small} {ROOT}")
    try:
        yield
    finally:
        answer(lab, MACHINE, f"umount -l {ROOT}; umount -l {small}")


def with_script(command: str) -> dict[str, str]:
    """The application whose composer does something more."""
    script = f'"scripts": {{"post-install-cmd": "{command}"}},\n    "require":'
    return {"composer.json": COMPOSER.replace('"require":', script, 1)}


def test_a_full_disk_stops_a_release_and_not_the_page(shop: Shop, good: str) -> None:
    with small_disk(shop, 90):
        shop.edit()
        assert shop.try_to_deploy().code == 1
        failed(shop.platform.project.record(), "room")
        assert shop.serves() == good


def test_a_disk_that_runs_full_in_the_midst(shop: Shop, good: str) -> None:
    with (
        small_disk(shop, 180),
        shop.broken(with_script("dd if=/dev/zero of=big bs=1M count=300")),
    ):
        outcome = shop.try_to_deploy()
        assert outcome.code == 1
        failed(shop.platform.project.record(), "composer")
        assert "No space left" in outcome.text
        assert shop.serves() == good
        # What failed does not keep the disk full.
        free = answer(shop.platform.lab, MACHINE, f"df --output=avail -m {ROOT} | tail -1")
        assert int(free) > 100


def test_killed_in_the_middle_of_a_release(shop: Shop, good: str) -> None:
    with shop.broken(with_script("sleep 60")):
        killed(shop, lambda: "sleep 60" in answer(shop.platform.lab, MACHINE, "ps -eo args"))
    assert shop.serves() == good
    answer(shop.platform.lab, MACHINE, "pkill -f '^sleep 60' || true")


def test_killed_in_the_middle_of_a_switch(shop: Shop, good: str) -> None:
    current = f"basename $(readlink {ROOT}/current)"
    live = f"realpath('{ROOT}/current') === realpath(base_path())"
    slow = UP.replace("$reached = [", f"if ({live}) {{ sleep(3); }}\n        $reached = [")
    with shop.broken({"app/Http/Controllers/PageController.php": slow}):
        killed(shop, lambda: answer(shop.platform.lab, MACHINE, current) != good)
        # It was switched to, and nobody saw that it works: the same files need no other release.
        switched = answer(shop.platform.lab, MACHINE, current)
        assert shop.ask("/")[0] == 200
        record = shop.deploy()
    assert release_of(record).release == switched == shop.serves()
    told = release_of(record).last
    assert told and told.event == "live"


def killed(shop: Shop, now: Callable[[], bool]) -> None:
    """Begin to deploy, and kill what works on the machine as soon as ``now``."""
    shop.platform.unsettle()
    command = shop.platform.project.start(
        *("inventory.py", "deploy.py", "-y", "--limit", MACHINE), changes=shop.changes()
    )
    wait_for("the moment", now, limit_s=120)
    answer(shop.platform.lab, MACHINE, f"pkill -9 -f '^{PROGRAM}'")
    outcome = command.wait(60)
    assert outcome.code == 1


def test_bad_releases_are_not_counted_and_good_ones_are_kept(shop: Shop) -> None:
    for _ in range(3):
        shop.edit()
        shop.deploy(keep_releases=2)
    good = shop.releases()
    assert len(good) == 2
    for _ in range(2):
        with shop.broken(BROKEN["a view that asks for what there is not"][0]):
            shop.edit()
            assert shop.try_to_deploy(keep_releases=2).code == 1
    assert set(good) <= set(shop.releases())
    assert len(shop.releases()) <= 3


def test_rollback_goes_to_the_newest_good_release_and_refuses_when_there_is_none(
    shop: Shop,
) -> None:
    shop.edit()
    earlier = shop.serves()
    record = shop.deploy()
    newest = shop.serves()
    with shop.broken(BROKEN["a page that is not well"][0]):
        assert shop.try_to_deploy().code == 1
    workers = shop.deploy(workers={"count": 1})  # a worker, to be restarted
    assert workers and record
    newest = shop.serves()
    outcome = shop.roll_back()
    assert outcome.code == 0, outcome
    back = shop.serves()
    assert back < newest and back in shop.releases()
    told = shop.platform.project.record()
    assert told.action == "rollback" and release_of(told).release == back
    assert f"shop: {back}" in outcome.text
    held = shop.try_to_deploy(workers={"count": 1})
    assert held.code == 0 and shop.serves() == back
    assert f"is held back since the rollback by {getpass.getuser()}@" in held.text
    while (outcome := shop.roll_back()).code == 0:
        assert shop.serves() < back
        back = shop.serves()
    assert f"there is no good release before {back}" in outcome.text
    assert shop.serves() == back and earlier
    named = shop.roll_back("--data", f"release={newest}")
    assert named.code == 0 and shop.serves() == newest
    unknown = shop.roll_back("--data", "release=20200101-000000-nothing")
    assert unknown.code == 1 and "there is no good release 20200101" in unknown.text
    assert shop.serves() == newest
