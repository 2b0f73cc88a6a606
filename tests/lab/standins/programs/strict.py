"""YAML that is refused for every key that its reader does not know, as Go's strict decoder does."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from .durations import go_seconds, prometheus_seconds


class ConfigError(Exception):
    """The text is refused; the message is what the real program would say."""


@dataclass(frozen=True)
class Block:
    """What a mapping may hold.

    Args:
        kind: Its type in the real program, for the message.
        keys: The names, parted by blanks. One may end with what its value must be: `:int`,
            `:bool`, `:go` (a Go duration) or `:prom` (a Prometheus duration).
        blocks: Keys whose value is a mapping, or a list of mappings, of its own.
    """

    kind: str
    keys: str = ""
    blocks: Mapping[str, Block] = field(default_factory=dict)

    def known(self) -> dict[str, str]:
        """What the value of each key must be, by key; empty where anything will do."""
        pairs = (word.partition(":") for word in self.keys.split())
        return {**{name: kind for name, _, kind in pairs}, **dict.fromkeys(self.blocks, "")}


# A mapping that the real program checks and the stand-in does not.
ANYTHING = Block("")


def load(text: str, block: Block) -> dict[str, Any]:
    """The mapping that the text holds.

    Raises:
        ConfigError: It is not YAML, no mapping, or has something that `block` does not allow.
    """
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        problems = list(_problems(node, block)) if node else []
        if problems:
            raise ConfigError("\n".join(["yaml: unmarshal errors:", *problems]))
        return yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f"line {mark.line + 1}: " if mark else ""
        raise ConfigError(f"yaml: {line}{getattr(error, 'problem', error)}") from error


def expand(text: str, environment: Mapping[str, str]) -> str:
    """The text with `${NAME}` and `${NAME:-default}` replaced, as `-config.expand-env` does."""
    return re.sub(
        r"\$\{(\w+)(?::-([^}]*))?\}",
        lambda match: environment.get(match[1]) or match[2] or "",
        text,
    )


def _problems(node: yaml.Node, block: Block) -> Iterator[str]:
    if block is ANYTHING or _is_null(node):
        return
    if isinstance(node, yaml.SequenceNode):
        for each in node.value:
            yield from _problems(each, block)
        return
    if not isinstance(node, yaml.MappingNode):
        yield f"{_line(node)}cannot unmarshal {_shown(node)} into {block.kind}"
        return
    known, seen = block.known(), set()
    for key, value in node.value:
        name = str(key.value)
        if name == "<<":
            continue
        if name in seen:
            yield f'{_line(key)}key "{name}" already set in map'
        seen.add(name)
        if name not in known:
            yield f"{_line(key)}field {name} not found in type {block.kind}"
        elif name in block.blocks:
            yield from _problems(value, block.blocks[name])
        else:
            yield from _wrong_value(value, known[name])


def _wrong_value(node: yaml.Node, kind: str) -> Iterator[str]:
    if not kind or _is_null(node):
        return
    text = str(node.value)
    if kind in ("int", "bool"):
        if not str(node.tag).endswith(f":{kind}"):
            yield f"{_line(node)}cannot unmarshal {_shown(node)} into {kind}"
        return
    try:
        (go_seconds if kind == "go" else prometheus_seconds)(text)
    except ValueError as error:
        yield f"{_line(node)}{error}"


def _line(node: yaml.Node) -> str:
    return f"  line {node.start_mark.line + 1}: "


def _shown(node: yaml.Node) -> str:
    tag = str(node.tag).replace("tag:yaml.org,2002:", "!!")
    return f"{tag} `{node.value}`" if isinstance(node, yaml.ScalarNode) else tag


def _is_null(node: yaml.Node) -> bool:
    return str(node.tag).endswith(":null")
