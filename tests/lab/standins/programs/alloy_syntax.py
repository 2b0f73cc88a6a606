"""Reads the language of Alloy's configuration: blocks, attributes, and simple expressions.

No arithmetic, and functions are only read, not known.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

_TOKEN = re.compile(
    r"""(?P<blank>[ \t\r\n]+|//[^\n]*|/\*.*?\*/)|(?P<text>"(?:[^"\\\n]|\\.)*")|(?P<raw>`[^`]*`)"""
    r"""|(?P<number>-?\d+(?:\.\d+)?)|(?P<name>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)"""
    r"""|(?P<sign>[{}\[\]()=,])""",
    re.DOTALL,
)


class AlloyError(Exception):
    """The text is refused; the message begins with line and column."""


@dataclass(frozen=True)
class Reference:
    """Something that another component exports, such as `loki.write.default.receiver`."""

    path: str
    line: int


@dataclass(frozen=True)
class Call:
    """A function's call, such as `sys.env("HOME")`."""

    function: str
    arguments: tuple[Any, ...]


@dataclass(frozen=True)
class Block:
    """A block with what is in it; attributes by name, as Python values."""

    name: str
    label: str
    line: int
    attributes: dict[str, Any] = field(default_factory=dict)
    blocks: tuple[Block, ...] = ()

    @property
    def path(self) -> str:
        """How others refer to it."""
        return f"{self.name}.{self.label}" if self.label else self.name

    def inner(self, name: str) -> list[Block]:
        """The blocks of a name within it."""
        return [block for block in self.blocks if block.name == name]


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    line: int
    column: int


def parse(text: str) -> list[Block]:
    """The blocks of a file; raises `AlloyError` with the place that is wrong."""
    return _Parser(list(_tokens(text))).file()


def _tokens(text: str) -> Iterator[_Token]:
    place, line, begun = 0, 1, 0
    while place < len(text):
        found = _TOKEN.match(text, place)
        if not found:
            raise AlloyError(f"{line}:{place - begun + 1}: illegal character {text[place]!r}")
        if found.lastgroup != "blank":
            yield _Token(str(found.lastgroup), found[0], line, place - begun + 1)
        if breaks := found[0].count("\n"):
            line += breaks
            begun = place + found[0].rindex("\n") + 1
        place = found.end()
    yield _Token("end", "EOF", line, place - begun + 1)


class _Parser:
    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._place = 0

    def file(self) -> list[Block]:
        attributes, blocks = self._body("end")
        if attributes:
            raise AlloyError(f"1:1: attribute {next(iter(attributes))} outside of a block")
        return blocks

    def _body(self, end: str) -> tuple[dict[str, Any], list[Block]]:
        attributes: dict[str, Any] = {}
        blocks: list[Block] = []
        while not self._is(end):
            name = self._take("name")
            if self._is("="):
                self._take("=")
                if name.text in attributes:
                    raise self._wrong(name, f"attribute {name.text} is set twice")
                attributes[name.text] = self._value()
            else:
                blocks.append(self._block(name))
        return attributes, blocks

    def _block(self, name: _Token) -> Block:
        label = self._text(self._take("text")) if self._is("text") else ""
        self._take("{")
        attributes, blocks = self._body("}")
        self._take("}")
        return Block(name.text, label, name.line, attributes, tuple(blocks))

    def _value(self) -> Any:
        token = self._next()
        match token.kind:
            case "text":
                return self._text(token)
            case "raw":
                return token.text[1:-1]
            case "number":
                return float(token.text) if "." in token.text else int(token.text)
            case "name":
                return self._named(token)
        if token.text == "[":
            return self._list("]")
        if token.text == "{":
            return self._object()
        raise self._wrong(token, f"expected expression, got {token.text}")

    def _text(self, token: _Token) -> str:
        # As in Go, a backslash before any odd character is an error.
        try:
            return str(json.loads(token.text))
        except ValueError as error:
            raise self._wrong(token, "unknown escape sequence") from error

    def _named(self, token: _Token) -> Any:
        constants = {"true": True, "false": False, "null": None}
        if token.text in constants:
            return constants[token.text]
        if self._is("("):
            self._take("(")
            return Call(token.text, tuple(self._list(")")))
        return Reference(token.text, token.line)

    def _list(self, end: str) -> list[Any]:
        values = []
        while not self._is(end):
            values.append(self._value())
            if not self._is(end):
                self._take(",")
        self._take(end)
        return values

    def _object(self) -> dict[str, Any]:
        values: dict[str, Any] = {}
        while not self._is("}"):
            key = self._next()
            if key.kind not in ("name", "text"):
                raise self._wrong(key, f"expected field name, got {key.text}")
            self._take("=")
            values[key.text.strip('"')] = self._value()
            if not self._is("}"):
                self._take(",")
        self._take("}")
        return values

    def _next(self) -> _Token:
        token = self._tokens[self._place]
        self._place = min(self._place + 1, len(self._tokens) - 1)
        return token

    def _is(self, what: str) -> bool:
        token = self._tokens[self._place]
        return what in (token.kind, token.text if token.kind == "sign" else "")

    def _take(self, what: str) -> _Token:
        token = self._tokens[self._place]
        if not self._is(what):
            raise self._wrong(token, f"expected {what}, got {token.text}")
        return self._next()

    def _wrong(self, token: _Token, words: str) -> AlloyError:
        return AlloyError(f"{token.line}:{token.column}: {words}")
