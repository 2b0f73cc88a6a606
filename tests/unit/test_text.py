"""Text from a host, made fit to stand in a line of ours."""

from facts.reports import Report
from facts.text import in_lines, one_line


def test_a_line_stays_a_line() -> None:
    assert one_line("größe\t1\r\n\x1b[2Jtwo") == "größe 1   [2Jtwo"
    assert one_line("x" * 30, 10) == "x" * 9 + "…" and one_line("x" * 10, 10) == "x" * 10


def test_every_text_in_a_value_is_one_line() -> None:
    assert in_lines({"a\n": ["b\n", 1, None, {"c": "d\x07"}]}) == {
        "a ": ["b ", 1, None, {"c": "d "}]
    }


def test_a_report_of_a_host_is_in_lines() -> None:
    line = '{"app": "shop", "last": {"step": "x\\n    web2  completed"}}'
    assert Report().process([line]) == [{"app": "shop", "last": {"step": "x     web2  completed"}}]
