"""A run without a terminal: a line with a time for each thing that happens."""

import re

import pytest

from state.lanes import Lane
from state.plain import Plain
from tests.unit.helpers import Operation, Step, fake_state

WHEN = r"^\d\d:\d\d:\d\d "


def test_each_line_has_its_time_and_no_control_characters(
    capsys: pytest.CaptureFixture[str],
) -> None:
    state = fake_state(["web", "db2"])
    step, last = Step("nginx"), Step("scraping")
    lane = Lane(state.inventory.get_host("@fake/web"), "web", [step, last])
    other = Lane(state.inventory.get_host("@fake/db2"), "db", [step])
    plain = Plain([lane, other], every_operation=False)
    plain.begin()
    slow = Operation("1", "Packages of the stack (17)")
    plain.step_started(lane, step)
    plain.operation_starts(lane, step, slow)
    plain.operation_ended(lane, step, slow, True, 18.04)
    plain.operation_ended(lane, step, Operation("2", "File /a"), False, 0.1)
    plain.step_completed(lane, step)
    plain.step_waits(lane, last, [("db2", "redis")])
    plain.link_lost(lane, "nothing was under way")
    plain.step_failed(lane, last, slow, "\x1b[2Jits\rcommand failed")
    plain.step_skipped(lane, last, "redis of db2 was not completed")
    plain.end()
    lines = capsys.readouterr().err.splitlines()
    assert all(re.match(WHEN, line) for line in lines)
    assert [re.sub(WHEN, "", line) for line in lines] == [
        "@fake/web  nginx (1 of 2) …",
        "@fake/web    Packages of the stack (17) (18.0 s)",
        "@fake/web  nginx: 1 changed, 1 unchanged (0.0 s)",
        "@fake/web  scraping waits for redis of db2",
        "@fake/web  the connection is lost (nothing was under way); connecting again …",
        "@fake/web  scraping | Packages of the stack (17): itscommand failed",
        "@fake/web  scraping skipped: redis of db2 was not completed",
    ]
