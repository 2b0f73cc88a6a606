"""Text by the columns of a terminal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from state.columns import coloured, cut, pad, printable, width


@pytest.mark.parametrize(
    ("text", "columns"),
    [("abc", 3), ("日本", 4), ("e\u0301", 1), ("✓ fine", 6), ("🚀", 2), ("", 0)],
)
def test_wide_characters_take_two_columns_and_marks_none(text: str, columns: int) -> None:
    assert width(text) == columns


@pytest.mark.parametrize(
    ("text", "columns", "expected"),
    [
        ("abcdef", 4, "abc…"),
        ("日本語", 5, "日本…"),
        ("日本語", 4, "日…"),
        ("abc", 3, "abc"),
        ("a", 0, ""),
    ],
)
def test_what_does_not_fit_is_cut(text: str, columns: int, expected: str) -> None:
    assert cut(text, columns) == expected


@given(st.text(), st.integers(0, 20))
def test_nothing_is_cut_to_more_than_there_is_room_for(text: str, columns: int) -> None:
    assert width(cut(printable(text), columns)) <= columns


def test_padding_counts_columns() -> None:
    assert pad("日", 4) == "日  "


HOSTILE = "a\x1b[31mred\x1b[0m\x1b[2J\x1b[1;1H\x1b]0;title\x07b\rc\x08\x9bd\te\n\x1b"


def test_only_text_is_left() -> None:
    assert printable(HOSTILE) == "aredbcd\te\n"


def test_colours_may_stay() -> None:
    assert coloured(HOSTILE) == "a\x1b[31mred\x1b[0mbcd\te\n"


@given(st.text(alphabet="\x1b[]0;mHJ\x07\r\x9b" + "ab"))
def test_whatever_comes_no_control_character_is_left(text: str) -> None:
    assert not set(printable(text)) & set("\x1b\x07\r\x9b")
