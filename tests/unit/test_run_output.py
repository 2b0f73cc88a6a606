"""What whole runs print, on a terminal, without one, and in CI; on pyinfra's fake connector."""

import re
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from configs import PROJECT
from tests.terminal import Session
from tests.unit.test_run import FakeRun

OBSERVABILITY, VPSMANAGER = "@fake/observability", "@fake/vpsmanager"
ROOF = {"roof-of-observability": {"success": False, "stderr": ["No space left on device"]}}
FRAME = re.compile(r"^    @fake/observability\s+\d/2  ")
SLOW = {"observability": 0.4, "vpsmanager": 0.4}


@pytest.fixture
def fake(tmp_path: Path) -> FakeRun:
    return FakeRun(tmp_path)


def on_a_terminal(
    fake: FakeRun,
    *arguments: str,
    responses: Mapping[str, Any] | None = None,
    delays: Mapping[str, float] | None = SLOW,
    environment: Mapping[str, str] | None = None,
) -> Session:
    env = {**fake.environment(responses, delays), **(environment or {})}
    return Session([*fake.command(), "-y", *arguments], PROJECT, env)


def begun(session: Session) -> bool:
    return any(FRAME.match(line) for line in session.terminal.shown)


def test_a_live_view_is_gone_at_the_end(fake: FakeRun) -> None:
    session = on_a_terminal(fake)
    assert session.wait(60) == 0
    views = [[line for line in frame if FRAME.match(line)] for frame in session.frames]
    assert all(len(lines) <= 1 for lines in views)
    said = {lines[0].partition("/2  ")[2] for lines in views if lines}
    assert {"ground: Say ground", "house: Say walls"} <= said
    assert not begun(session)
    assert any("completed in" in line for line in session.terminal.shown)
    assert session.terminal.wrapped == [] and "\x1b[?" not in session.text


def test_a_narrower_window_has_narrower_lines(fake: FakeRun) -> None:
    session = on_a_terminal(fake)
    session.wait_for(begun, 30)
    session.resize(40, 12)
    count = len(session.frames)
    assert session.wait(60) == 0
    frames = session.frames[count:]
    drawn = [line for frame in frames for line in frame if FRAME.match(line)]
    assert drawn and all(len(line) < 40 for line in drawn)
    assert not begun(session)


def test_a_failure_appears_above_the_view(fake: FakeRun) -> None:
    session = on_a_terminal(fake, responses=ROOF, delays={**SLOW, "vpsmanager": 1.0})
    assert session.wait(60) == 1
    failure = "house | Say roof-of-observability: its command failed"
    above = next(
        frame
        for frame in session.frames
        if any(line.endswith(failure) for line in frame) and any(map(FRAME.match, frame))
    )
    view = next(number for number, line in enumerate(above) if FRAME.match(line))
    assert next(i for i, line in enumerate(above) if line.endswith(failure)) < view
    assert "make room on the target" in " ".join(session.terminal.shown)


def test_an_interrupted_run_leaves_no_view_behind(fake: FakeRun) -> None:
    session = on_a_terminal(fake)
    session.wait_for(begun, 30)
    session.process.send_signal(signal.SIGINT)
    assert session.wait(60) == 130
    assert not begun(session)
    assert any("--> Interrupted" in line for line in session.terminal.shown)
    assert "interrupted in" in session.terminal.shown[-5] + session.terminal.shown[-6]


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [(["-v"], {}), ([], {"GITHUB_ACTIONS": "true"}), ([], {"GITLAB_CI": "true"})],
)
def test_there_is_no_view_where_every_line_is_wanted(
    fake: FakeRun, arguments: list[str], environment: dict[str, str]
) -> None:
    session = on_a_terminal(fake, *arguments, delays={}, environment=environment)
    assert _ended(session) == 0
    assert re.search(r"\d\d:\d\d:\d\d .*@fake/observability", session.text)
    assert "2/2  " not in session.text


def _ended(session: Session) -> int:
    """The exit code; what a view never writes is no error here."""
    session.terminal.feed = lambda text: None  # type: ignore[method-assign]
    return session.wait(60)


def test_without_a_terminal_there_are_lines_only(fake: FakeRun) -> None:
    done = fake("-y")
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", done.stderr)
    times = re.findall(r"^\d\d:\d\d:\d\d (@fake/\w+) +(.*)$", done.stderr, re.MULTILINE)
    lines = [re.sub(r"\d+\.\d s", "… s", text) for name, text in times if name == VPSMANAGER]
    assert lines == [
        "ground (1 of 2) …",
        "ground: 1 changed, 0 unchanged (… s)",
        "house (2 of 2) …",
        "house: 2 changed, 0 unchanged (… s)",
    ]
    assert f"{VPSMANAGER}     changed: ground 1, house 2" in done.stderr
    assert f"{VPSMANAGER}     versions: " not in done.stderr
    assert "look at: http://10.9.0.21/" in done.stderr


def test_the_cause_comes_before_the_summary(fake: FakeRun) -> None:
    done = fake("-y", "--data", "message=the roof", responses=ROOF)
    assert done.returncode == 1
    _, _, end = done.stderr.rpartition(f"--> {OBSERVABILITY} failed (deploy): house · Say roof")
    words = ["its command failed", "| No space left on device", "do: make room", "failed in"]
    positions = [end.find(each) for each in words]
    assert -1 not in positions and positions == sorted(positions)
    again = f"deploy.py --limit {OBSERVABILITY} -y --data 'message=the roof'"
    assert again in end.replace("'@fake/observability'", OBSERVABILITY)


def test_github_gets_groups_annotations_and_a_summary(fake: FakeRun, tmp_path: Path) -> None:
    path = tmp_path / "summary.md"
    environment = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(path)}
    done = fake("-y", responses=ROOF, **environment)
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    groups = [line for line in lines if line.startswith(("::group", "::endgroup"))]
    names = [line.removeprefix("::group::") for line in groups[::2]]
    assert names == ["Preflight", "Deploy", "Summary"]
    assert groups[1::2] == ["::endgroup::"] * 3
    [error] = [line for line in lines if line.startswith("::error")]
    title = "title=@fake/observability%3A house"
    assert error.startswith(f"::error {title}::Say roof-of-observability: its command failed%0A")
    assert lines.index(error) > lines.index("::group::Summary")
    text = path.read_text()
    assert "@fake/observability failed (deploy)" in text and "No space left on device" in text
    assert "make room" in text and "❌ failed" in text and "✅ completed" in text


def test_gitlab_gets_sections(fake: FakeRun) -> None:
    done = fake("-y", GITLAB_CI="true")
    started = re.findall(r"\x1b\[0Ksection_start:\d+:(\w+)(.*?)\s\x1b\[0K", done.stderr)
    ended = re.findall(r"\x1b\[0Ksection_end:\d+:(\w+)\s\x1b\[0K", done.stderr)
    assert [name for name, _ in started] == ended == ["preflight", "deploy", "summary"]
    assert [options for _, options in started] == ["[collapsed=true]", "[collapsed=true]", ""]


def cases(path: Path) -> dict[str, dict[str, str]]:
    """Suite → case → how it ended."""
    return {
        suite.attrib["name"]: {
            case.attrib["name"]: next(
                (each.tag for each in case if each.tag != "system-out"), "passed"
            )
            for case in suite
        }
        for suite in ElementTree.parse(path).getroot()
    }


def test_junit_of_a_run_that_fails(fake: FakeRun, tmp_path: Path) -> None:
    path = tmp_path / "reports" / "junit.xml"
    assert fake("-y", "--data", f"junit={path}", responses=ROOF).returncode == 1
    found = cases(path)
    assert found[f"{OBSERVABILITY} deploy"] == {"ground": "passed", "house": "failure"}
    assert found[f"{VPSMANAGER} deploy"] == {"ground": "passed", "house": "passed"}
    assert found[f"{VPSMANAGER} preflight"] == {"connection": "passed", "machine": "passed"}
    assert found[f"{VPSMANAGER} verify"] == {"verification": "skipped"}


def test_junit_where_nothing_could_be_deployed(fake: FakeRun, tmp_path: Path) -> None:
    path = tmp_path / "junit.xml"
    done = fake("-y", "--data", f"junit={path}", FAKE_UNFIT="r")
    assert done.returncode == 1
    path.unlink()
    done = fake("-y", "--data", f"junit={path}", FAKE_UNFIT="")
    assert done.returncode == 1 and "nothing was changed" in done.stderr
    assert [each["memory"] for name, each in cases(path).items() if "preflight" in name] == [
        "failure",
        "failure",
    ]


def test_a_report_that_cannot_be_written_fails_no_run(fake: FakeRun, tmp_path: Path) -> None:
    (tmp_path / "a-file").touch()
    done = fake("-y", "--data", f"junit={tmp_path}/a-file/junit.xml")
    assert done.returncode == 0
    assert "could not be written" in done.stderr
