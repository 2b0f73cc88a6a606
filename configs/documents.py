"""Reads a YAML file as it is written: no value silently lost, no secret repeated."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import yaml

from configs.problems import Problem, shown

Location = tuple[str | int, ...]
# What no settings need: more is a mistake, or would take for ever.
DEEPEST, MOST_VALUES = 50, 100_000
_Loader = cast(type[yaml.SafeLoader], getattr(yaml, "CSafeLoader", yaml.SafeLoader))


@dataclass(frozen=True)
class Document:
    """A file's content: mappings with text keys, lists and plain values.

    content is the file's bytes, data is {} where there was nothing usable; problems says why.
    """

    file: str
    content: bytes = b""
    data: dict[str, Any] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()

    @property
    def usable(self) -> bool:
        """Whether there is data to judge."""
        return bool(self.data)

    def holds(self, location: Location) -> bool:
        """Whether the file writes a value at the location."""
        try:
            self.at(location)
        except (KeyError, IndexError, TypeError):
            return False
        return True

    def key(self, location: Location) -> str:
        """The location as an operator would name it."""
        return dotted(location)

    def at(self, location: Location) -> Any:
        """The value written at the location; KeyError, IndexError or TypeError without one."""
        value: Any = self.data
        for step in location:
            value = value[step]
        return value


def dotted(location: Location) -> str:
    """`targets.web.ssh.port`; a list's items are counted from [0]."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in location)
    return text.removeprefix(".")


def read(path: Path, *, remedy: str) -> Document:
    """Read the file. remedy: what to do if it is missing or empty. Raises nothing."""
    file = shown(path)

    def broken(found: str, expected: str, do: str, key: str = "", content: bytes = b"") -> Document:
        return Document(file, content, problems=(Problem(file, key, found, expected, do),))

    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return broken("no such file", "a YAML file", remedy)
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        return broken(reason, "a file that you can read", "correct the path or its permissions")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        return broken(
            "bytes that are not UTF-8",
            "text in UTF-8",
            "save the file in UTF-8",
            f"line {line}",
            content,
        )
    builder = _Builder(file)
    try:
        data = builder.build_all(text)
    except yaml.YAMLError as error:
        return broken(
            _reason(error),
            "YAML: `key: value` lines, indented with spaces",
            "correct that line or the one above it",
            _place(error),
            content,
        )
    if data is None:
        return broken("an empty file", "settings in YAML", remedy, content=content)
    if not isinstance(data, dict) or not data:
        return broken(
            "no keys at its top level",
            "lines of the form `key: value`",
            "begin with a key such as `targets:`",
            content=content,
        )
    return Document(file, content, data, tuple(builder.problems))


def refuse_depth(text: str) -> None:
    """Raise YAMLError for a text that nests too deeply: building it would end the process."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            problem = f"more than {DEEPEST} lists or sections inside each other"
            mark = cast(yaml.Mark, event.start_mark)
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=mark)


class _Builder:
    """Turns YAML's nodes into data; PyYAML itself would keep the last of two equal keys."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self._open: set[int] = set()
        self._flat: set[int] = set()
        self._values = 0

    def build_all(self, text: str) -> Any:
        refuse_depth(text)
        self._loader = _Loader(text)
        try:
            node = self._loader.get_single_node()
            return None if node is None else self._build(node, ())
        finally:
            self._loader.dispose()

    def _build(self, node: yaml.Node, location: Location) -> Any:
        self._values += 1
        if self._values > MOST_VALUES:
            problem = f"more than {MOST_VALUES} values, those of aliases counted each time"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=_mark(node))
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        if id(node) in self._open:
            raise yaml.MarkedYAMLError(problem="an alias inside itself", problem_mark=_mark(node))
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, location)
            return [self._build(item, (*location, index)) for index, item in enumerate(node.value)]
        finally:
            self._open.remove(id(node))

    def _mapping(self, node: yaml.MappingNode, location: Location) -> dict[str, Any]:
        if id(node) not in self._flat:  # once: `<<` adds keys to it, and aliases come back to it
            self._flat.add(id(node))
            self._refuse_duplicates(node, location)
            self._loader.flatten_mapping(node)
        return {
            (name := _name(key)): self._build(value, (*location, name)) for key, value in node.value
        }

    def _refuse_duplicates(self, node: yaml.MappingNode, location: Location) -> None:
        for key, first, again in _duplicates(node):
            self.problems.append(
                Problem(
                    self.file,
                    dotted((*location, key)),
                    f"the same key on lines {first} and {again}",
                    "every key once",
                    "keep the one you mean and remove the other",
                )
            )

    def _scalar(self, node: yaml.ScalarNode) -> Any:
        try:
            return self._loader.construct_object(node)
        except (ValueError, KeyError, AttributeError):
            # It looks like a date and is none, 2025-13-45; or its tag says so, !!bool maybe.
            return node.value


def _duplicates(node: yaml.MappingNode) -> Iterator[tuple[str, int, int]]:
    lines: dict[str, int] = {}
    for key, _ in node.value:
        name, line = _name(key), _mark(key).line + 1
        if name in lines and name != "<<":
            yield name, lines[name], line
        lines.setdefault(name, line)


def _name(key: yaml.Node) -> str:
    # The key as it is written: YAML would read `on` as true and 8080 as a number.
    if isinstance(key, yaml.ScalarNode):
        return str(key.value)
    raise yaml.MarkedYAMLError(
        problem="a list or a mapping in place of a key", problem_mark=_mark(key)
    )


def _mark(node: yaml.Node) -> yaml.Mark:
    return cast(yaml.Mark, node.start_mark)


def _place(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    return f"line {mark.line + 1}, column {mark.column + 1}" if mark else ""


def _reason(error: yaml.YAMLError) -> str:
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "no valid YAML"
    # What stands in quotes may come from the file, and so may be somebody's password; a single
    # character is YAML's own.
    return re.sub(r"'([^'])'|'[^']*'|\"[^\"]*\"", _single, str(problem))


def _single(quoted: re.Match[str]) -> str:
    return quoted[0] if quoted[1] else "…"
