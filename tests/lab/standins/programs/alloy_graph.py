"""Builds what an Alloy configuration describes, as far as it ships logs.

Carried out: `local.file_match`, `loki.source.file`, `loki.source.journal`, `loki.relabel`,
`discovery.relabel`, `loki.process`, `loki.write`, and `local.file` for secrets. Other components
are only known by the first word of their names; what leads to them leads nowhere.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from . import package
from .alloy_syntax import AlloyError, Block, Call, Reference
from .journal import Journal
from .pipeline import Entry, Receiver, pipeline
from .positions import Positions
from .promtail_config import DONE_STAGES, KNOWN_STAGES
from .relabel import relabel
from .shipping import Client
from .tailing import Tail
from .web import Metrics, log

_FAMILIES = (
    *("argument", "beyla", "database_observability", "declare", "discovery", "export", "faro"),
    *("foreach", "http", "import", "livedebugging", "local", "logging", "loki", "mimir", "otelcol"),
    *("prometheus", "pyroscope", "remote", "remotecfg", "stage", "tracing"),
)
# What may be in the blocks that are carried out: attributes, then blocks.
_CLIENT_BLOCKS = "basic_auth tls_config authorization oauth2 queue_config wal"
_KNOWN: dict[str, tuple[str, str]] = {
    "local.file_match": ("path_targets sync_period ignore_older_than", "file_watch"),
    "local.file": ("filename detector poll_frequency is_secret", ""),
    "loki.source.file": (
        "targets forward_to encoding tail_from_end on_positions_file_error legacy_positions_file",
        "decompression file_watch file_match",
    ),
    "loki.source.journal": (
        "format_as_json max_age path matches forward_to relabel_rules labels",
        "legacy_position",
    ),
    "loki.relabel": ("forward_to max_cache_size", "rule"),
    "discovery.relabel": ("targets", "rule"),
    "rule": (
        "action modulus regex replacement separator source_labels target_label",
        "",
    ),
    "loki.process": ("forward_to", " ".join(f"stage.{n}" for n in (*DONE_STAGES, *KNOWN_STAGES))),
    "loki.write": ("external_labels max_streams", "endpoint wal"),
    "queue_config": ("capacity min_shards drain_timeout", ""),
    "endpoint": (
        "batch_size batch_wait bearer_token bearer_token_file enable_http2 follow_redirects headers"
        " http_headers max_backoff_period max_backoff_retries min_backoff_period name no_proxy"
        " proxy_connect_header proxy_from_environment proxy_url remote_timeout"
        " retry_on_http_429 tenant_id url",
        _CLIENT_BLOCKS,
    ),
    "basic_auth": ("username password password_file", ""),
}


def check(blocks: list[Block]) -> None:
    """Raise `AlloyError` for what Alloy would refuse, as far as the stand-in knows."""
    paths = [block.path for block in blocks]
    for block in blocks:
        if paths.count(block.path) > 1:
            raise AlloyError(f"{block.line}:1: block {block.path} already declared")
        if block.name.split(".")[0] not in _FAMILIES:
            raise AlloyError(
                f'{block.line}:1: cannot find the definition of component name "{block.name}"'
            )
        _check_names(block)
        for reference in _references(block):
            known = any(reference.path.startswith(f"{path}.") for path in paths)
            if not known and not reference.path.startswith("constants."):
                raise AlloyError(
                    f'{reference.line}:1: component "{reference.path}" does not exist or is out'
                    " of scope"
                )


def _check_names(block: Block) -> None:
    if block.name not in _KNOWN:
        return
    attributes, blocks = (names.split() for names in _KNOWN[block.name])
    for name in block.attributes:
        if name not in attributes:
            raise AlloyError(f'{block.line}:1: unrecognized attribute name "{name}"')
    for inner in block.blocks:
        if inner.name not in blocks:
            raise AlloyError(f'{inner.line}:1: unrecognized block name "{inner.name}"')
        _check_names(inner)


def _references(value: Any) -> list[Reference]:
    match value:
        case Reference():
            return [value]
        case Block():
            return _references([*value.attributes.values(), *value.blocks])
        case dict():
            return _references([*value.values()])
        case list() | tuple():
            return [found for each in value for found in _references(each)]
        case Call():
            return _references(list(value.arguments))
    return []


class Graph:
    """The components of a configuration, running.

    Args:
        blocks: The configuration, checked.
        metrics: Where to count.
        storage: A folder for what was read how far.
        counts_requests: As of `Client`.
    """

    def __init__(
        self,
        blocks: list[Block],
        metrics: Metrics,
        storage: Path,
        *,
        counts_requests: bool = False,
    ) -> None:
        self._blocks = {block.path: block for block in blocks}
        self._metrics, self._storage = metrics, storage
        self._counts_requests = counts_requests
        self._receivers: dict[str, Receiver] = {}
        self._clients: list[Client] = []
        self._readers: list[Tail | Journal] = []
        self._positions: list[Positions] = []
        for block in blocks:
            if block.name == "loki.source.file":
                self._read_files(block)
            elif block.name == "loki.source.journal":
                self._read_journal(block)

    def end(self) -> None:
        """Stop reading, then send what was read."""
        for reader in self._readers:
            reader.end()
        for client in self._clients:
            client.end()
        for positions in self._positions:
            positions.save()

    def _read_files(self, block: Block) -> None:
        targets = [
            {name: str(self._plain(value)) for name, value in target.items()}
            for target in self._targets(block.attributes.get("targets"))
        ]
        then, places = self._forward(block), self._places(block)
        self._readers.append(Tail(targets, then, places, self._metrics, "loki_source_file"))

    def _read_journal(self, block: Block) -> None:
        given = {name: self._plain(value) for name, value in block.attributes.items()}
        settings: dict[str, Any] = {
            "labels": self._journal_labels(block, given.get("labels") or {}),
            "json": given.get("format_as_json", False),
            **{name: given[name] for name in ("max_age", "path", "matches") if name in given},
        }
        rules = self._rules(block.attributes.get("relabel_rules"))
        then, places = self._forward(block), self._places(block)
        self._readers.append(
            Journal(block.path, settings, rules, then, places, self._metrics, "loki_source_journal")
        )

    def _journal_labels(self, block: Block, given: dict[str, str]) -> dict[str, str]:
        if package.flavour() == "overwrites-label":
            return {**given, "job": block.path}
        return {"job": block.path, **given}

    def _targets(self, value: Any) -> list[dict[str, Any]]:
        if isinstance(value, list):
            return [target for each in value for target in self._targets(each)]
        if isinstance(value, dict):
            return [value]
        if isinstance(value, Reference):
            source = self._blocks[value.path.rpartition(".")[0]]
            name = "targets" if source.name == "discovery.relabel" else "path_targets"
            found = self._targets(source.attributes.get(name))
            changed = (relabel(self._plain(each), self._rules(value)) for each in found)
            return [each for each in changed if each is not None]
        return []

    def _rules(self, value: Any) -> list[dict[str, Any]]:
        if not isinstance(value, Reference):
            return []
        source = self._blocks[value.path.rpartition(".")[0]]
        return [self._plain(rule.attributes) for rule in source.inner("rule")]

    def _places(self, block: Block) -> Positions:
        folder = self._storage / block.path
        folder.mkdir(parents=True, exist_ok=True)
        self._positions.append(Positions(folder / "positions.yml", 10, with_labels=True))
        return self._positions[-1]

    def _forward(self, block: Block) -> Receiver:
        paths = [each.path for each in _references(block.attributes.get("forward_to"))]
        receivers = [self._receiver(path.rpartition(".")[0]) for path in paths]

        def to_all(entry: Entry) -> None:
            for receiver in receivers:
                receiver(entry)

        return to_all

    def _receiver(self, path: str) -> Receiver:
        if path not in self._receivers:
            self._receivers[path] = self._make_receiver(self._blocks[path])
        return self._receivers[path]

    def _make_receiver(self, block: Block) -> Receiver:
        match block.name:
            case "loki.write":
                return self._writer(block)
            case "loki.process":
                stages = [_stage(inner, self._plain(inner.attributes)) for inner in block.blocks]
                return pipeline(stages, self._forward(block))
            case "loki.relabel":
                return self._relabeller(block)
        log("warn", "the stand-in does not carry out this component", component=block.path)
        return lambda entry: None

    def _relabeller(self, block: Block) -> Receiver:
        rules = [self._plain(rule.attributes) for rule in block.inner("rule")]
        then = self._forward(block)

        def receive(entry: Entry) -> None:
            labels = relabel(entry.labels, rules)
            if labels is not None:
                then(Entry(labels, entry.time_ns, entry.line, entry.extracted))

        return receive

    def _writer(self, block: Block) -> Receiver:
        external = self._plain(block.attributes.get("external_labels") or {})
        clients = [
            Client(
                self._client_settings(each, external),
                self._metrics,
                "loki_write",
                counts_requests=self._counts_requests,
            )
            for each in block.inner("endpoint")
        ]
        self._clients += clients

        def receive(entry: Entry) -> None:
            for client in clients:
                client.send(entry)

        return receive

    def _client_settings(self, endpoint: Block, external: dict[str, str]) -> dict[str, Any]:
        given = self._plain(endpoint.attributes)
        inner = {block.name: self._plain(block.attributes) for block in endpoint.blocks}
        names = {"batch_wait": "batchwait", "remote_timeout": "timeout"}
        backoff = {
            f"{end}_period": given.pop(f"{end}_backoff_period")
            for end in ("min", "max")
            if f"{end}_backoff_period" in given
        }
        if "max_backoff_retries" in given:
            backoff["max_retries"] = given["max_backoff_retries"]
        # Written as `1MiB`, which only the real one reads.
        given.pop("batch_size", None)
        renamed = {names.get(name, name): value for name, value in given.items()}
        return {**renamed, **inner, "backoff_config": backoff, "external_labels": external}

    def _plain(self, value: Any) -> Any:
        """The value with references and calls replaced by what they stand for."""
        match value:
            case dict():
                return {name: self._plain(each) for name, each in value.items()}
            case list():
                return [self._plain(each) for each in value]
            case Call(function="sys.env" | "env", arguments=(str() as name,)):
                return os.environ.get(name, "")
            case Call(arguments=(first, *_)):
                return self._plain(first)
            case Reference(path=path) if path == "constants.hostname":
                return os.uname().nodename
            case Reference(path=path):
                source = self._blocks.get(path.rpartition(".")[0])
                if source and source.name == "local.file":
                    return Path(str(source.attributes["filename"])).read_text()
                return ""
        return value


def _stage(block: Block, attributes: dict[str, Any]) -> dict[str, Any]:
    """A `stage.NAME` block as Promtail's pipelines have it."""
    name = block.name.removeprefix("stage.")
    values = attributes.get("values", attributes)
    if name == "labels":
        return {name: {label: source or None for label, source in values.items()}}
    return {name: values}
