"""Releases are no news to visitors, and none to the queue."""

import json
from typing import Any

import pytest

from tests.e2e.load import Load
from tests.e2e.machines import answer
from tests.e2e.platform import Platform
from tests.e2e.polling import wait_for
from tests.e2e.shop import DOMAIN, MACHINE, Shop

WORKERS = {"workers": {"count": 2, "timeout_s": 30}}


@pytest.fixture(scope="module")
def shop(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """The shop with two workers, released once."""
    platform.settle()
    found = Shop(platform, tmp_path_factory.mktemp("uptime") / "shop")
    found.settings |= WORKERS
    found.deploy()
    return found


def test_no_request_fails_through_five_releases_and_a_rollback(shop: Shop) -> None:
    seen = {shop.serves()}
    with Load(shop.platform.address(MACHINE), DOMAIN, "/version") as load:
        for _ in range(5):
            shop.edit()
            shop.deploy()
            seen.add(shop.serves())
        outcome = shop.roll_back()
    assert outcome.code == 0, outcome
    assert load.failed == []
    answered = {json.loads(each.body)["release"] for each in load.answers}
    assert answered == seen and len(seen) == 6
    assert len(load.answers) > 1000


def test_a_slow_request_is_answered_by_the_release_that_began_it(shop: Shop) -> None:
    with Load(shop.platform.address(MACHINE), DOMAIN, "/slow?ms=2000", workers=2) as load:
        shop.edit()
        shop.deploy()
    assert load.failed == []


def test_every_job_of_a_thousand_runs_once_through_a_release(shop: Shop) -> None:
    # Other tests have had jobs as well.
    answer(shop.platform.lab, MACHINE, "mariadb shop -e 'truncate job_runs'")
    shop.artisan("shop:enqueue 1000 --ms=20")
    assert shop.report()["ready"] > 500
    shop.edit()
    shop.deploy()
    found = idle(shop)
    assert (found["numbers"], found["runs"], found["failed"]) == (1000, 1000, 0)
    assert len(found["releases"]) == 2


def test_a_job_that_fails_is_tried_as_often_as_the_inventory_says(shop: Shop) -> None:
    shop.artisan("shop:enqueue 2 --failing")
    assert idle(shop)["failed"] == 2


def idle(shop: Shop) -> dict[str, Any]:
    """What became of the jobs once none is left."""

    def none_left() -> bool:
        found = shop.report()
        return bool(found["ready"] + found["reserved"] + found["delayed"] == 0)

    wait_for("the queue to be empty", none_left, limit_s=60)
    return shop.report()
