"""Moving a pin: changes the lines of one pin in versions.yaml, and nothing else of the file."""

import os
import re
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import yaml

from configs.pins import VERSIONS
from configs.schema import Architecture


class NoChecksums(Exception):
    """The checksums of a release are not to be had. ``url``: where they should be."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(f"{url}: {reason}")


_FETCH_LIMIT_S = 30
_MAX_BYTES = 1_000_000


def replace_pin(
    text: str, package: str, version: str, sha256: Mapping[str, str] | None = None
) -> str:
    """The text of versions.yaml with the pin of ``package`` moved to ``version``.

    ``sha256``: the checksums of the new release by architecture, for a package that has some. The
    pin's origin says that it was moved. Raises LookupError if there is no such pin.
    """
    new: dict[tuple[str, ...], str] = {("version",): f'"{version}"'}
    new |= {("sha256", name): digest for name, digest in (sha256 or {}).items()}
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    scalars = dict(_scalars(_child(_child(root, "pins"), package), ()))
    today = datetime.now(UTC).date()
    new[("origin",)] = f"moved here from {scalars[('version',)].value} on {today}"
    # From the end on, so that the positions before stay true.
    for place in sorted(new, key=lambda place: -scalars[place].start_mark.index):
        node = scalars[place]
        text = text[: node.start_mark.index] + new[place] + text[node.end_mark.index :]
    return text


def move_pin(
    package: str,
    version: str,
    sha256: Mapping[str, str] | None = None,
    path: Path = VERSIONS,
) -> None:
    """Move a pin in versions.yaml; readers see the old file or the new one. Raises OSError."""
    text = replace_pin(path.read_text(encoding="utf-8"), package, version, sha256)
    new = path.with_name(f".{path.name}.new")
    new.write_text(text, encoding="utf-8")
    os.chmod(new, path.stat().st_mode & 0o777)
    os.replace(new, path)


def fetch_checksums(base_url: str, version: str) -> dict[str, str]:
    """The checksums that a release of Prometheus publishes, by architecture.

    ``base_url``: the folder with the releases. Raises NoChecksums if they cannot be fetched or if
    an architecture is not among them.
    """
    url = f"{base_url}/v{version}/sha256sums.txt"
    try:
        with urllib.request.urlopen(url, timeout=_FETCH_LIMIT_S) as answer:
            text = answer.read(_MAX_BYTES).decode("utf-8", "replace")
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise NoChecksums(url, f"nothing that could be read: {reason}") from None
    found = {
        architecture: match[1]
        for architecture in get_args(Architecture)
        if (
            match := re.search(
                rf"(?m)^([0-9a-f]{{64}}) [ *]prometheus-{re.escape(version)}"
                rf"\.linux-{architecture}\.tar\.gz$",
                text,
            )
        )
    }
    if lacking := [name for name in get_args(Architecture) if name not in found]:
        raise NoChecksums(url, f"no checksum for {' and '.join(lacking)}")
    return found


def _child(node: yaml.Node | None, name: str) -> yaml.Node:
    for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
        if key.value == name:
            child: yaml.Node = value
            return child
    raise LookupError(f"versions.yaml has no {name}")


def _scalars(
    node: yaml.Node, place: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], yaml.ScalarNode]]:
    if isinstance(node, yaml.ScalarNode):
        yield place, node
    for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
        yield from _scalars(value, (*place, key.value))
