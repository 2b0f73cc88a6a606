"""What a web service on a host answers to that host."""

import json
import shlex
from collections.abc import Iterable, Iterator, Sequence
from secrets import token_hex
from typing import Any, TypedDict

from pyinfra.api import FactBase, StringCommand

# What is longer is not read as JSON, which takes thirty times the memory.
LONGEST = 1_000_000
# As a visitor who reaches the host's own web server, whatever a name leads to.
_LOCALLY = "curl -ksS --globoff --connect-to ::127.0.0.1:"
# Behind each of many answers.
# No page can foresee it, and so none ends early and speaks for those after it.
END = f"-- end of an answer {token_hex(8)} --"


class AnswerData(TypedDict):
    """``status``: of HTTP, 0 where nothing answered. ``body``: read as JSON, else the text."""

    status: int
    body: Any


class Answer(FactBase[AnswerData]):
    """The answer to one request, or to none after 10 seconds.

    ``data``: what is sent along, by POST, as JSON. ``login``: a file of curl's with the user.
    """

    asked_alone = True

    def command(self, url: str, data: Any = None, login: str | None = None) -> StringCommand:
        options = ["curl -sS -m 10 -w '\\n%{http_code}'"]
        if login:
            options.append(f"-K {shlex.quote(login)}")
        if data is not None:
            options.append(
                f"-H 'Content-Type: application/json' -d {shlex.quote(json.dumps(data))}"
            )
        return StringCommand(*options, shlex.quote(url), "2>&1; true")

    def process(self, output: list[str]) -> AnswerData:
        return _read(output)


class Answers(FactBase[list[AnswerData]]):
    """The answers to many requests, in their order, asked one after the other by one program.

    There are as many as came within a minute.
    """

    asked_alone = True
    default = list

    def command(self, urls: Sequence[str]) -> StringCommand:
        options = f"timeout 60 curl -sS -m 10 -w '\\n%{{http_code}}\\n{END}\\n'"
        return StringCommand(options, shlex.join(urls), "2>&1; true")

    def process(self, output: list[str]) -> list[AnswerData]:
        return [_read(lines) for lines in _apart(output)]


class LocalPage(TypedDict):
    """Answer of the host's own web server.

    ``status``: of HTTP, 0 if nothing answered. ``redirect``: the URL that it leads to, or an empty
    string. ``text``: the body.
    """

    status: int
    url: str
    redirect: str
    text: str


class LocalPages(FactBase[list[LocalPage]]):
    """Pages of the host's own web server, by their public names; the first MB of each."""

    asked_alone = True
    default = list

    def command(self, urls: Sequence[str]) -> StringCommand:
        said = shlex.quote(f"\n%{{http_code}} %{{url_effective}} %{{redirect_url}}\n{END}\n")
        return StringCommand(
            f"timeout 60 {_LOCALLY} -m 20 --max-filesize 1000000 -w {said}",
            shlex.join(urls),
            "2>/dev/null; true",
        )

    def process(self, output: list[str]) -> list[LocalPage]:
        return [_page(lines) for lines in _apart(output)]


class LocalStatuses(FactBase[list[int]]):
    """The status that the host's own web server answers for each URL, by its public names.

    There are as many as came within a minute; 0 if nothing answered.
    """

    asked_alone = True
    default = list

    def command(self, urls: Sequence[str]) -> StringCommand:
        each = (f"-o /dev/null {shlex.quote(url)}" for url in urls)
        said = shlex.quote("%{http_code}\n")
        return StringCommand(f"timeout 60 {_LOCALLY} -m 20 -w {said}", *each, "2>/dev/null; true")

    def process(self, output: list[str]) -> list[int]:
        return [int(line) if line.isdigit() else 0 for line in output]


def _apart(output: Iterable[str]) -> Iterator[list[str]]:
    """The lines of each answer that came to its end."""
    lines: list[str] = []
    for line in output:
        if line == END:
            yield lines
            lines = []
        else:
            lines.append(line)


def _page(output: Sequence[str]) -> LocalPage:
    *text, last = output
    status, url, redirect = [*last.split(" "), "", ""][:3]
    number = int(status) if status.isdigit() else 0
    return LocalPage(status=number, url=url, redirect=redirect, text="\n".join(text))


def _read(output: Sequence[str]) -> AnswerData:
    *lines, status = output
    text = "\n".join(lines)
    try:
        body = json.loads(text) if len(text) <= LONGEST else text
    except (ValueError, RecursionError):
        body = text
    return AnswerData(status=int(status) if status.isdigit() else 0, body=body)
