"""The part of LogQL that the stand-in for Loki answers: selectors, line filters and counting.

No parsers (`| json`), no label filters, no arithmetic but the `vector(1)+vector(1)` by which
Grafana asks whether a Loki is there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from .durations import prometheus_seconds

Result = TypeVar("Result")
Labels = tuple[tuple[str, str], ...]

_TOKEN = re.compile(
    r"""\s*(?:(?P<text>"(?:[^"\\]|\\.)*"|`[^`]*`)|(?P<word>[A-Za-z_][A-Za-z0-9_]*)"""
    r"""|\[(?P<range>[0-9a-z]+)\]|(?P<sign>\|=|\|~|!=|!~|=~|[={}(),|+])|(?P<number>[0-9.]+))"""
)
_LINE_FILTERS = ("|=", "!=", "|~", "!~")
_RANGES = ("count_over_time", "rate", "bytes_over_time", "bytes_rate")


class LogQLError(Exception):
    """A query that Loki, or this stand-in for it, does not understand."""


@dataclass(frozen=True)
class Matcher:
    """What a label must be."""

    name: str
    sign: str
    value: str

    def matches(self, labels: Mapping[str, str]) -> bool:
        """A label that is not there is empty."""
        value = labels.get(self.name, "")
        if self.sign.endswith("~"):
            equal = re.fullmatch(self.value, value, re.DOTALL) is not None
        else:
            equal = value == self.value
        return equal != self.sign.startswith("!")


@dataclass(frozen=True)
class LineFilter:
    """What a line must have in it."""

    sign: str
    value: str

    def matches(self, line: str) -> bool:
        """Regular expressions need not match the whole line."""
        if self.sign.endswith("~"):
            found = re.search(self.value, line) is not None
        else:
            found = self.value in line
        return found != self.sign.startswith("!")


@dataclass(frozen=True)
class LogQuery:
    """A query for lines."""

    matchers: tuple[Matcher, ...]
    filters: tuple[LineFilter, ...] = ()

    def selects(self, labels: Mapping[str, str]) -> bool:
        """Whether a stream is asked for."""
        return all(matcher.matches(labels) for matcher in self.matchers)

    def keeps(self, line: str) -> bool:
        """Whether a line of such a stream is."""
        return all(each.matches(line) for each in self.filters)


@dataclass(frozen=True)
class MetricQuery:
    """A query for numbers; `by` is None where nothing is summed."""

    logs: LogQuery
    function: str
    range_s: float
    by: tuple[str, ...] | None = None

    def value(self, lines: Iterable[str]) -> float:
        """The number for the lines of one range."""
        sizes = [len(line.encode()) for line in lines]
        amount = sum(sizes) if self.function.startswith("bytes") else len(sizes)
        return amount / self.range_s if self.function.endswith("rate") else float(amount)

    def group(self, labels: Labels) -> Labels:
        """The labels under which a stream is counted."""
        if self.by is None:
            return labels
        return tuple(pair for pair in labels if pair[0] in self.by)


@dataclass(frozen=True)
class Constant:
    """A query that asks for no line at all."""

    value: float


Query = LogQuery | MetricQuery | Constant


def parse(text: str) -> Query:
    """Read a query; raises `LogQLError` where it cannot."""
    parser = _Parser(text)
    query = parser.query()
    parser.end()
    return query


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._place = 0

    def query(self) -> Query:
        word = self._peek("word")
        if word == "vector":
            return self._constant()
        if word == "sum":
            return self._sum()
        if word:
            return self._range()
        return self._logs()

    def end(self) -> None:
        if self._text[self._place :].strip():
            raise self._unexpected()

    def _constant(self) -> Constant:
        total = self._vector()
        while self._take_if("+"):
            total += self._vector()
        return Constant(total)

    def _vector(self) -> float:
        if self._take("word") != "vector":
            raise self._unexpected()
        return self._in_brackets(lambda: float(self._take("number")))

    def _sum(self) -> MetricQuery:
        self._take("word")
        by = self._by()
        inner = self._in_brackets(self._range)
        return MetricQuery(inner.logs, inner.function, inner.range_s, by or self._by() or ())

    def _by(self) -> tuple[str, ...] | None:
        if self._peek("word") != "by":
            return None
        self._take("word")
        return self._in_brackets(self._names)

    def _names(self) -> tuple[str, ...]:
        names = [self._take("word")]
        while self._take_if(","):
            names.append(self._take("word"))
        return tuple(names)

    def _range(self) -> MetricQuery:
        if self._peek("word") not in _RANGES:
            raise self._unexpected()
        function = self._take("word")

        def inside() -> MetricQuery:
            logs = self._logs()
            try:
                range_s = prometheus_seconds(self._take("range"))
            except ValueError as error:
                raise LogQLError(f"parse error : {error}") from error
            return MetricQuery(logs, function, range_s)

        return self._in_brackets(inside)

    def _logs(self) -> LogQuery:
        self._expect("{")
        matchers = []
        while not self._take_if("}"):
            matchers.append(self._matcher())
            if not self._take_if(","):
                self._expect("}")
                break
        if not any(_asks_for_something(matcher) for matcher in matchers):
            raise LogQLError(
                "parse error : queries require at least one regexp or equality matcher that does"
                ' not have an empty-compatible value. For instance, app=~".*" does not meet this'
                ' requirement, but app=~".+" will'
            )
        filters = []
        while (sign := self._peek("sign")) in _LINE_FILTERS:
            self._take("sign")
            filters.append(LineFilter(sign, self._string(sign)))
        return LogQuery(tuple(matchers), tuple(filters))

    def _matcher(self) -> Matcher:
        name, sign = self._take("word"), self._take("sign")
        if sign not in ("=", "!=", "=~", "!~"):
            raise self._unexpected()
        return Matcher(name, sign, self._string(sign))

    def _string(self, sign: str) -> str:
        text = self._take("text")
        value = text[1:-1] if text.startswith("`") else _unescaped(text[1:-1])
        if sign.endswith("~"):
            try:
                re.compile(value)
            except re.error as error:
                raise LogQLError(f"parse error : error parsing regexp: {error}") from error
        return value

    def _in_brackets(self, inside: Callable[[], Result]) -> Result:
        self._expect("(")
        result = inside()
        self._expect(")")
        return result

    def _peek(self, kind: str) -> str:
        token = _TOKEN.match(self._text, self._place)
        return (token[kind] or "") if token else ""

    def _take(self, kind: str) -> str:
        found = self._peek(kind)
        token = _TOKEN.match(self._text, self._place)
        if not found or not token:
            raise self._unexpected()
        self._place = token.end()
        return found

    def _take_if(self, sign: str) -> bool:
        return self._peek("sign") == sign and bool(self._take("sign"))

    def _expect(self, sign: str) -> None:
        if not self._take_if(sign):
            raise self._unexpected()

    def _unexpected(self) -> LogQLError:
        left = self._text[self._place :].lstrip()
        column = len(self._text) - len(left) + 1
        found = f"unexpected {left.split()[0]}" if left else "unexpected $end"
        return LogQLError(f"parse error at line 1, col {column}: syntax error: {found}")


def _asks_for_something(matcher: Matcher) -> bool:
    if matcher.sign == "=":
        return matcher.value != ""
    return matcher.sign == "=~" and re.fullmatch(matcher.value, "") is None


def _unescaped(text: str) -> str:
    escapes = {"n": "\n", "t": "\t", "r": "\r"}
    return re.sub(r"\\(.)", lambda match: escapes.get(match[1], match[1]), text)
