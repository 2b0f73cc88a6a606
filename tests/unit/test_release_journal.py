"""What a failed release shows of a unit's journal."""

from tasks.releases.host.serving import excerpt

TRACE = [
    f"#{number} /var/www/shop/current/vendor/frame.php({number}): call()" for number in range(40)
]


def test_the_error_is_shown_with_the_end_of_its_trace() -> None:
    earlier = ["PHP Fatal error:  Uncaught Error: an older one", *TRACE]
    journal = [*earlier, "PHP Fatal error:  Uncaught Error: the reason", *TRACE]
    assert excerpt(journal) == ["PHP Fatal error:  Uncaught Error: the reason", "…", *TRACE[-15:]]


def test_a_short_journal_is_shown_once() -> None:
    journal = ["PHP Fatal error:  Uncaught Error: the reason", *TRACE[:3]]
    assert excerpt(journal) == journal
    assert excerpt([]) == []


def test_a_journal_without_an_error_is_shown_by_its_end() -> None:
    assert excerpt(TRACE) == TRACE[-15:]
