"""The report of the preflight: every finding of every target, problems first, with its remedy."""

import click
import pytest

from configs.findings import Finding
from state.preflight_report import print_findings, print_report

PROBLEM = Finding("memory", "1 MB", "900 MB", "take a larger server\nor another one")
WARNING = Finding("clock", "\x1b[31m40 s", "less", "set it", warning=True)


def _lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return click.unstyle(capsys.readouterr().err).splitlines()


def test_problems_come_before_warnings(capsys: pytest.CaptureFixture[str]) -> None:
    print_findings({"a": [WARNING, PROBLEM], "b": [], "c": [WARNING]})
    assert _lines(capsys) == [
        "    ✗ a: memory: found 1 MB, expected 900 MB",
        "      do: take a larger server",
        "          or another one",
        "    ! a: clock: found  [31m40 s, expected less",
        "      do: set it",
        "    ! c: clock: found  [31m40 s, expected less",
        "      do: set it",
        "    1 problem and 2 warnings on a, c",
    ]


def test_nothing_found_is_nothing_said(capsys: pytest.CaptureFixture[str]) -> None:
    print_findings({"a": []})
    assert _lines(capsys) == []


def test_without_any_machine_there_is_no_table(capsys: pytest.CaptureFixture[str]) -> None:
    print_report({"a": None}, {"a": [PROBLEM]}, ["the last one was cut off"])
    lines = _lines(capsys)
    assert lines[0].startswith("    ✗ a")
    assert lines[-1] == "    note: the last one was cut off"
