"""What a web service on a host answers to that host."""

import json
import shlex
from collections.abc import Sequence
from typing import Any, TypedDict

from pyinfra.api import FactBase, StringCommand

# Behind each of many answers.
# What is longer is not read as JSON, which takes thirty times the memory.
LONGEST = 1_000_000
END = "-- end of an answer --"


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
        found: list[AnswerData] = []
        lines: list[str] = []
        for line in output:
            if line != END:
                lines.append(line)
            else:
                found.append(_read(lines))
                lines = []
        return found


def _read(output: Sequence[str]) -> AnswerData:
    *lines, status = output
    text = "\n".join(lines)
    try:
        body = json.loads(text) if len(text) <= LONGEST else text
    except (ValueError, RecursionError):
        body = text
    return AnswerData(status=int(status) if status.isdigit() else 0, body=body)
