"""What the line of a lane says."""

import re

import click

from state.columns import width
from state.lane_view import LaneView
from state.lanes import Lane
from state.overhearing import Heard
from tests.unit.helpers import Operation, Step, fake_state

SECRET = "hunter2hunter2"


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def view(*names: str) -> tuple[LaneView, list[Lane], Clock]:
    state, clock = fake_state(names), Clock()
    steps = [Step("base"), Step("nginx"), Step("scraping")]
    lanes = [Lane(state.inventory.get_host(f"@fake/{name}"), "web", steps) for name in names]
    scrub = lambda text: text.replace(SECRET, "[secret]")  # noqa: E731
    return LaneView(lanes, scrub, clock), lanes, clock


def lines(found: LaneView, columns: int = 79) -> list[str]:
    return [click.unstyle(line) for line in found.lines(columns)]


INSTALL = Operation("1", "Packages of the stack (17)")


def test_a_lane_waits_works_and_is_done() -> None:
    found, (lane, other), clock = view("web", "db")
    clock.now += 1
    assert lines(found) == [
        "    1 s so far",
        "    @fake/web  0/3  waits for its turn",
        "    @fake/db   0/3  waits for its turn",
    ]
    found.lane_started(lane)
    found.step_started(lane, lane.steps[1])
    found.operation_starts(lane, lane.steps[1], INSTALL)
    assert lines(found)[1] == "    @fake/web  2/3  nginx: Packages of the stack (17)"
    clock.now += 125
    assert lines(found)[1].endswith("(17), 2 min 05 s")
    lane.host.connector_data["progress"] = Heard("24 %, Unpacking nginx", clock.now)
    assert lines(found, 120)[1].endswith("(17), 2 min 05 s, 24 %, Unpacking nginx")
    found.operation_ended(lane, lane.steps[1], INSTALL, True, 125.0)
    assert lines(found)[1] == "    @fake/web  2/3  nginx"
    found.operation_starts(lane, lane.steps[1], INSTALL)
    assert lines(found)[1] == "    @fake/web  2/3  nginx: Packages of the stack (17)"
    found.step_waits(lane, lane.steps[2], [("db", "redis"), ("db", "php")])
    clock.now += 7
    assert lines(found)[1] == ("    @fake/web  3/3  scraping waits for redis of db, php of db, 7 s")
    found.lane_ended(lane, completed=True)
    clock.now += 50
    assert lines(found)[1] == "    @fake/web  3/3  completed: 1 changes, 2 min 13 s"
    assert lines(found)[2].startswith("    @fake/db ")
    found.verifying()
    assert lines(found)[1] == "    @fake/web  3/3  verifying"
    assert other.host.name == "@fake/db"


def test_it_is_drawn_again_when_something_happens_or_a_second_has_passed() -> None:
    found, (lane,), clock = view("web")
    lines(found)
    assert not found.is_stale()
    found.lane_started(lane)
    assert found.is_stale()
    lines(found)
    clock.now += 0.9
    assert not found.is_stale()
    clock.now += 0.1
    assert found.is_stale()


def test_what_failed_stays_to_be_seen() -> None:
    found, (lane,), _ = view("web")
    found.lane_started(lane)
    found.step_failed(lane, lane.steps[0], INSTALL, "its command failed")
    found.lane_ended(lane, completed=False)
    text = "failed: base: Packages of the stack (17): its command failed"
    assert lines(found, 120)[1] == f"    @fake/web  0/3  {text}"


def test_a_lost_connection_is_waited_for() -> None:
    found, (lane,), clock = view("web")
    found.lane_started(lane)
    found.link_lost(lane, "nothing was under way")
    clock.now += 30
    assert "the connection is lost; connecting again, 30 s" in lines(found)[1]
    found.link_mended(lane)
    assert "connected again" in lines(found)[1]


def test_no_line_is_wider_than_the_window_at_any_width() -> None:
    found, (lane, _), _ = view("web", "日本語のサーバー")
    found.operation_starts(lane, lane.steps[0], Operation("1", "設定ファイル" * 9))
    for columns in range(1, 120):
        assert all(width(line) <= columns for line in lines(found, columns)), columns


def test_a_secret_is_not_shown_in_part() -> None:
    found, (lane,), _ = view("web")
    found.operation_starts(lane, lane.steps[0], Operation("1", f"Tell {SECRET}"))
    lane.host.connector_data["progress"] = Heard(f"so it says {SECRET}", 0.0)
    for columns in range(20, 90):
        assert "hunter" not in " ".join(lines(found, columns))


def test_what_a_host_says_cannot_move_the_cursor() -> None:
    found, (lane,), _ = view("web")
    found.operation_starts(lane, lane.steps[0], INSTALL)
    lane.host.connector_data["progress"] = Heard("a\x1b[2Jb\rc\nd", 0.0)
    assert lines(found)[1].endswith("abc d")
    assert not re.search(r"[\x00-\x1f]", lines(found)[1])
