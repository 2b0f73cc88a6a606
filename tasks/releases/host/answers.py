"""Excerpt of an HTTP answer: what a person needs of a page, without its HTML and its styles."""

from collections.abc import Iterator
from html.parser import HTMLParser

MAX_LINES = 10
MAX_CHARACTERS = 2000


def excerpt(status: str, body: str) -> list[str]:
    """The status with the page's title, and the beginning of its text without markup."""
    text = body.strip()
    if not text.startswith("<"):
        return [f"status {status}", *_lines(text)]
    page = _Page()
    page.feed(text)
    page.close()
    title = " ".join("".join(page.title).split())
    # Error pages say their title once more.
    lines = [line for line in _lines("\n".join(page.text)) if line != title]
    return [f"status {status}" + (f": {title}" if title else ""), *lines]


def _lines(text: str) -> Iterator[str]:
    lines = (" ".join(line.split()) for line in text[:MAX_CHARACTERS].splitlines())
    return (line for line, _ in zip(filter(None, lines), range(MAX_LINES), strict=False))


class _Page(HTMLParser):
    """``title``: the parts of the page's title; ``text``: what a visitor sees of the rest."""

    def __init__(self) -> None:
        super().__init__()
        self.title: list[str] = []
        self.text: list[str] = []
        self._hidden = 0
        self._in_title = False

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self._in_title = tag == "title"
        self._hidden += tag in ("style", "script", "svg", "template")

    def handle_endtag(self, tag: str) -> None:
        self._in_title = False
        if tag in ("style", "script", "svg", "template"):
            self._hidden = max(0, self._hidden - 1)

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self.title.append(data)
        elif not self._hidden:
            self.text.append(data)
