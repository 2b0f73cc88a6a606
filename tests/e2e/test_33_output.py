"""What a deploy prints: on a terminal, in CI, and where something fails."""

import re
import shlex
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.e2e.machines import answer, listeners
from tests.e2e.platform import Platform
from tests.e2e.polling import wait_for
from tests.e2e.project import DEPLOY, LIMIT_S
from tests.terminal import Session

ROW = re.compile(r"^    (observability|vpsmanager)\s+\d+/\d+ ")
TAKEN = "systemd-socket-activate --listen=0.0.0.0:9093 sleep infinity"


def _rows(frame: list[str]) -> list[str]:
    return [line for line in frame if ROW.match(line)]


def _installs(session: Session) -> bool:
    return any("%, " in line for line in _rows(session.terminal.shown))


def _waits(session: Session) -> bool:
    """Whether one lane waits for the other, as far as a narrow window shows it."""
    return any("scraping w" in line for line in _rows(session.terminal.shown))


@pytest.mark.drill
def test_a_first_deploy_on_a_terminal(fresh: Platform) -> None:
    """Both lanes are shown while they work, in a window that becomes narrower, and not later."""
    session = fresh.project.on_terminal(*DEPLOY, "-y")
    session.wait_for(_installs, 120)
    session.resize(40, 12)
    wide, wrapped = len(session.frames), len(session.terminal.wrapped)
    session.wait_for(_waits, 300)
    narrow = len(session.frames)
    session.resize(100, 30)
    assert session.wait(LIMIT_S) == 0, session.terminal.shown

    before = [_rows(frame) for frame in session.frames[:wide]]
    assert any("base: Packages of the stack" in line for rows in before for line in rows)
    assert all(len(rows) in (0, 2) for rows in before)
    drawn = [line for frame in session.frames[wide:narrow] for line in _rows(frame)]
    assert drawn and all(len(line) < 40 for line in drawn)
    assert session.terminal.wrapped[wrapped:] == []
    assert any("verifying" in line for frame in session.frames for line in _rows(frame))

    shown = session.terminal.shown
    assert _rows(shown) == []
    text = "\n".join(shown)
    assert re.search(r"observability  changed: base \d+,", text)
    assert re.search(r"took [\d.]+ s: base \| Packages of the stack", text)
    assert "python -m configs secrets get GRAFANA_ADMIN_PASSWORD" in text


def test_a_run_without_changes_ends_with_a_short_summary(deployed: Platform) -> None:
    outcome = deployed.project.deploy()
    assert outcome.code == 0, outcome
    _, _, summary = outcome.err.rpartition("--> Deployment ")
    assert "changed: " not in summary and "versions: " not in summary
    assert "look at" not in summary and len(summary.splitlines()) <= 7
    assert re.search(r"^\d\d:\d\d:\d\d vpsmanager +nginx \(\d+ of \d+\) …$", outcome.err, re.M)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", outcome.err)


def _outcomes(path: Path) -> dict[str, set[str]]:
    """Suite → how its cases ended."""
    return {
        suite.attrib["name"]: {next((each.tag for each in case), "passed") for case in suite}
        for suite in ElementTree.parse(path).getroot()
    }


def test_ci_gets_groups_and_reports(deployed: Platform, tmp_path: Path) -> None:
    summary, junit = tmp_path / "summary.md", tmp_path / "junit.xml"
    github = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary)}
    outcome = deployed.project.deploy("-y", "--data", f"junit={junit}", env=github)
    assert outcome.code == 0, outcome
    groups = re.findall(r"^::(?:group::(\w+)|endgroup::)$", outcome.err, re.MULTILINE)
    assert groups == ["Preflight", "", "Deploy", "", "Summary", ""]
    assert "::error" not in outcome.err
    assert "| vpsmanager | ✅ completed" in summary.read_text()
    assert _outcomes(junit)["vpsmanager preflight"] == {"passed"}
    assert _outcomes(junit)["vpsmanager verify"] == {"skipped"}


def test_verify_alone_reports_its_checks(deployed: Platform, tmp_path: Path) -> None:
    junit = tmp_path / "junit.xml"
    given = ("inventory.py", "verify.py", "--data", f"junit={junit}")
    outcome = deployed.project.pyinfra(*given, env={"GITLAB_CI": "true"})
    assert outcome.code == 0, outcome
    assert re.findall(r"section_start:\d+:(\w+)", outcome.err) == ["preflight", "verify"]
    found = _outcomes(junit)
    assert found["observability verify"] == found["vpsmanager verify"] == {"passed"}


def test_a_failure_tells_its_cause_first_and_how_to_go_on(deployed: Platform) -> None:
    lab = deployed.lab
    deployed.unsettle()
    answer(lab, "observability", "systemctl stop prometheus-alertmanager")
    answer(lab, "observability", f"systemd-run --collect --unit=squatter {TAKEN}")
    wait_for("the squatter", lambda: listeners(lab, "observability", 9093))
    try:
        outcome = deployed.project.deploy(env={"GITHUB_ACTIONS": "true"})
    finally:
        answer(lab, "observability", "systemctl stop squatter")
    assert outcome.code == 1, outcome
    _, _, end = outcome.err.rpartition("--> observability failed (deploy): readiness · ")
    words = [
        "its journal says:", "address already in use", "do: ", "ss -Hltnp", "failed in"
    ]  # fmt: skip
    positions = [end.find(each) for each in words]
    assert -1 not in positions and positions == sorted(positions), outcome
    assert re.search(r"^::error title=observability%3A readiness::", outcome.err, re.MULTILINE)

    found = re.search(r"then run this target again: (.*)", end)
    assert found is not None
    setting, program, *arguments = shlex.split(found[1])
    assert setting.startswith("CHOM_INVENTORY=") and program == "pyinfra"
    again = deployed.project.pyinfra(*arguments, inventory=Path(setting.partition("=")[2]))
    assert again.code == 0, again
    record = deployed.project.record()
    assert set(record.targets) == {"observability"} and record.status == "completed"


def test_junit_names_who_cannot_be_reached(deployed: Platform, tmp_path: Path) -> None:
    junit = tmp_path / "junit.xml"
    nobody = {"ssh.port": 9}
    outcome = deployed.project.deploy("-y", "--data", f"junit={junit}", changes=nobody)
    assert outcome.code == 1, outcome
    for machine in ("observability", "vpsmanager"):
        assert _outcomes(junit)[f"{machine} preflight"] == {"failure", "skipped"}
