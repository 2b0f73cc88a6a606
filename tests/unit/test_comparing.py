"""What differs between two snapshots is told once, and nothing else is."""

from state.comparing import by_target, changes


def test_nested_values_by_their_dotted_keys() -> None:
    old = {"a": {"b": 1, "c": {"d": [1, 2]}}, "gone": True, "same": {"x": None}}
    new = {"a": {"b": 2, "c": {"d": [1]}}, "same": {"x": None}, "come": {"y": "z"}}
    assert [str(each) for each in changes(old, new)] == [
        "a.b: 1 → 2",
        "a.c.d: [1, 2] → [1]",
        'come.y: not there → "z"',
        "gone: true → not there",
    ]
    assert changes(old, old) == []


def test_null_is_a_value_and_what_is_not_there_is_none() -> None:
    (change,) = changes({"a": None}, {})
    assert (str(change), change.absent) == ("a: null → not there", "new")
    (change,) = changes({"a": 1}, {"a": None})
    assert (str(change), change.absent) == ("a: 1 → null", "")


def test_one_and_true_are_not_the_same() -> None:
    assert [str(each) for each in changes({"a": True}, {"a": 1})] == ["a: true → 1"]
    assert changes({"a": 1}, {"a": 1.0}) == []


def test_an_empty_section_is_no_difference() -> None:
    assert changes({"apps": {}}, {}) == []
    assert [str(each) for each in changes({"apps": {}}, {"apps": {"shop": {"php": None}}})] == [
        "apps.shop.php: not there → null"
    ]


def test_what_is_the_same_on_all_targets_is_told_once() -> None:
    old = {"one": {"a": 1, "b": 1}, "two": {"a": 1, "b": 1}, "three": {"a": 1, "b": 1}}
    new = {"one": {"a": 2, "b": 2}, "two": {"a": 2, "b": 2}, "three": {"a": 2, "b": 3}}
    assert [str(each) for each in by_target(old, new)] == [
        "a: 1 → 2",
        "b (one, two): 1 → 2",
        "b (three): 1 → 3",
    ]


def test_targets_that_one_of_them_does_not_know_are_left_to_others() -> None:
    assert by_target({"one": {"a": 1}}, {"two": {"a": 2}}) == []
    assert [str(each) for each in by_target({"x": {"a": 1}}, {"x": {"a": 2}, "y": {}})] == [
        "a: 1 → 2"
    ]
