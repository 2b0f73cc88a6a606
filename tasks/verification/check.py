"""One thing that was proven, or was not: with what was found and where to look."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import gevent
from pyinfra import host

from facts.answers import Answer, AnswerData, Answers

PAUSE_S = 0.5


@dataclass(frozen=True)
class Check:
    """``problem``: what was found instead of what was expected; empty where all is well."""

    name: str
    problem: str = ""
    remedy: str = ""

    @property
    def passed(self) -> bool:
        return not self.problem


def ask(url: str, data: Any = None, login: str | None = None, **query: str) -> Any:
    """The JSON that a local URL answers with. Raises Unanswered for all but a good answer."""
    whole = _whole(url, query)
    return read(whole, host.get_fact(Answer, url=whole, data=data, login=login))


def ask_text(url: str, data: Any = None) -> str:
    """The text, or JSON as text, that a local URL answers with. Raises Unanswered as ``ask``."""
    return str(_good(url, host.get_fact(Answer, url=url, data=data, login=None)))


def ask_all(questions: Sequence[tuple[str, Mapping[str, str]]]) -> list[tuple[str, AnswerData]]:
    """Each URL with its query, and what it answers; all by one command. Raises Unanswered."""
    urls = [_whole(url, query) for url, query in questions]
    answers = host.get_fact(Answers, urls=urls) if urls else []
    if len(answers) != len(urls):
        raise Unanswered(f"of {len(urls)} questions only {len(answers)} got an answer")
    return list(zip(urls, answers, strict=True))


def read(url: str, answer: AnswerData) -> Any:
    """The JSON of a good answer. Raises Unanswered for any other, and for one that was cut off."""
    body = _good(url, answer)
    if not isinstance(body, dict | list):
        raise Unanswered(f"{url} answers no JSON, or not to its end: {_excerpt(answer)}")
    return body


def _good(url: str, answer: AnswerData) -> Any:
    if not 200 <= answer["status"] < 300:
        said = f"{url} answers {answer['status'] or 'nothing'}: {_excerpt(answer)}"
        raise Unanswered(said.rstrip(": "))
    return answer["body"]


def _excerpt(answer: AnswerData) -> str:
    return str(answer["body"]).strip()[:200]


def _whole(url: str, query: Mapping[str, str]) -> str:
    return f"{url}?{urlencode(query)}" if query else url


class Unanswered(Exception):
    """A service gave no answer, or one that it was not asked for."""


def settle(find_problem: Callable[[], str], limit_s: float) -> str:
    """The problem that is left after ``limit_s`` seconds; empty as soon as there is none."""
    end = time.monotonic() + limit_s
    while True:
        try:
            problem = find_problem()
        except Unanswered as error:
            problem = str(error)
        if not problem or time.monotonic() >= end:
            return problem
        gevent.sleep(PAUSE_S)
