"""Files that a page of HTML loads from its own host."""

from collections.abc import Collection
from html.parser import HTMLParser
from urllib.parse import urldefrag, urljoin, urlsplit

# However long a page is; what a browser needs is named near its beginning.
MAX_FILES = 40
_LINKS = {"stylesheet", "preload", "modulepreload"}


class _Loaded(HTMLParser):
    """Collects what a browser fetches in order to show a page; icons are not needed for that."""

    def __init__(self) -> None:
        super().__init__()
        self.urls: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag in ("script", "img"):
            self.urls.append(values.get("src", ""))
        elif tag == "link" and _LINKS & set(values.get("rel", "").lower().split()):
            self.urls.append(values.get("href", ""))


def loaded_files(html: str, base: str, hosts: Collection[str]) -> list[str]:
    """Return the URLs of style sheets, scripts and images that a page loads from its own host.

    + base: the page's URL
    + hosts: names of the page's own host
    """
    parser = _Loaded()
    parser.feed(html)
    found = []
    for text in parser.urls:
        url = _absolute(base, text)
        if url and urlsplit(url).hostname in hosts and url not in found:
            found.append(url)
    return found[:MAX_FILES]


def _absolute(base: str, text: str) -> str:
    """Return a URL of HTTP without its fragment; an empty string for anything else."""
    try:
        url = urldefrag(urljoin(base, text.strip())).url
        is_http = urlsplit(url).scheme in ("http", "https")
    except ValueError:
        return ""
    return url if text.strip() and is_http and url.isprintable() and " " not in url else ""
