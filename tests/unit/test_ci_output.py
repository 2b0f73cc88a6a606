"""The two CI systems' own syntax."""

from pathlib import Path

from state.ci_output import CiOutput, system_of


def ci(**environ: str) -> tuple[CiOutput, list[str]]:
    written: list[str] = []
    return CiOutput(environ, written.append, clock=lambda: 1764132000.9), written


def test_where_there_is_no_ci_nothing_is_written() -> None:
    output, written = ci(CI="true", GITHUB_STEP_SUMMARY="/nonexistent/file")
    output.phase("deploy")
    output.annotate("error", "a", "b")
    output.summarize("text")
    output.end_phase()
    assert written == [] and system_of({"GITHUB_ACTIONS": "false"}) is None


def test_phases_are_groups_of_github() -> None:
    output, written = ci(GITHUB_ACTIONS="true")
    for name in ("preflight", "deploy", "deploy"):
        output.phase(name)
    output.end_phase()
    output.end_phase()
    assert written == [
        "::group::Preflight\n", "::endgroup::\n", "::group::Deploy\n", "::endgroup::\n"
    ]  # fmt: skip


def test_annotations_of_github_are_escaped() -> None:
    output, written = ci(GITHUB_ACTIONS="true")
    output.annotate("error", "web: 100 %, at\r\n3", "50 % of a: b, c\r\nd")
    output.annotate("warning", "note", "::error::no")
    assert written == [
        "::error title=web%3A 100 %25%2C at%0D%0A3::50 %25 of a: b, c%0D%0Ad\n",
        "::warning title=note::::error::no\n",
    ]


def test_phases_are_sections_of_gitlab() -> None:
    output, written = ci(GITLAB_CI="true")
    output.phase("deploy")
    output.phase("summary")
    output.end_phase()
    assert written == [
        "\x1b[0Ksection_start:1764132000:deploy[collapsed=true]\r\x1b[0KDeploy\n",
        "\x1b[0Ksection_end:1764132000:deploy\r\x1b[0K\n",
        "\x1b[0Ksection_start:1764132000:summary\r\x1b[0KSummary\n",
        "\x1b[0Ksection_end:1764132000:summary\r\x1b[0K\n",
    ]


def test_gitlab_has_errors_as_lines() -> None:
    output, written = ci(GITLAB_CI="true")
    output.annotate("error", "web: nginx", "one\n  two")
    assert written == ["ERROR: web: nginx: one two\n"]


def test_the_summary_of_a_step_is_appended(tmp_path: Path) -> None:
    path = tmp_path / "summary.md"
    path.write_text("before\n")
    output, _ = ci(GITHUB_ACTIONS="true", GITHUB_STEP_SUMMARY=str(path))
    output.summarize("# Done\n")
    assert path.read_text() == "before\n# Done\n"
