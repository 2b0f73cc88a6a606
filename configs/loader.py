"""Loads the settings as a whole, or says everything that is wrong with them."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from configs.checks import cross_check
from configs.documents import read
from configs.explaining import explain
from configs.merging import Sources, app_names
from configs.overrides import from_data, from_environment
from configs.paths import PROJECT
from configs.problems import ConfigurationError, Problem
from configs.schema import Inventory, Target
from configs.values import example_network
from configs.versions import parse

DEFAULTS = PROJECT / "configs" / "defaults.yaml"
INVENTORY = PROJECT / "configs" / "inventory.yaml"

# Follows from another problem of the same section, which is reported.
_CONSEQUENCES = frozenset({"default_factory_not_called"})


@dataclass(frozen=True)
class Configuration:
    """What is wanted of every target, complete and valid.

    inventory_path: the file it was read from, absolute.
    inventory_sha256: hexadecimal, of that file's bytes.
    targets: by name, in the file's order.
    """

    inventory_path: Path
    inventory_sha256: str
    targets: dict[str, Target]


def load(
    path: Path | None = None,
    *,
    environ: Mapping[str, str] = os.environ,
    data: Mapping[str, Any] | None = None,
    allow_example: bool = False,
) -> Configuration:
    """Read, merge and check the settings; connects to nothing and changes nothing.

    path: the inventory; without one CHOM_INVENTORY names it, else it is configs/inventory.yaml.
    environ: its CHOM_SETTING__… variables go before what the files say.
    data: settings by dotted key (`prometheus.retention_days`), which go before all others; keys
        that begin with no section of the settings are passed over.
    allow_example: accept addresses that are reserved for examples; nothing answers there, so no
        key is asked of such a target.

    Raises ConfigurationError with every problem at once.
    """
    path = path or inventory_path(environ)
    return judge(path, read_sources(path, environ, data or {}), allow_example=allow_example)


def read_sources(path: Path, environ: Mapping[str, str], data: Mapping[str, Any]) -> Sources:
    """What is written where, not judged yet. Raises nothing."""
    inventory = read(
        path,
        remedy="write your servers into it as the released inventory.yaml shows, or "
        "set CHOM_INVENTORY to the path of your inventory",
    )
    apps = app_names(inventory.data)
    return Sources(
        read(DEFAULTS, remedy="put the file back as it was released"),
        inventory,
        (from_environment(environ, apps), from_data(data, apps)),
    )


def judge(path: Path, sources: Sources, *, allow_example: bool = False) -> Configuration:
    """The configuration of these sources. Raises ConfigurationError with every problem at once."""
    documents = (sources.defaults, sources.inventory, *sources.overrides)
    problems = [problem for document in documents for problem in document.problems]
    versions, unusable = parse(sources.versions)
    problems += unusable
    inventory: Inventory | None = None
    if sources.defaults.usable and sources.inventory.usable and versions:
        merged = sources.merged()
        inventory, refused = validate(merged, sources)
        problems += refused
        problems += cross_check(merged, sources, refused, allow_example=allow_example)
    if problems or inventory is None:
        raise ConfigurationError(dict.fromkeys(problems))
    return Configuration(
        inventory_path=path.absolute(),
        inventory_sha256=hashlib.sha256(sources.inventory.content).hexdigest(),
        targets={
            name: Target(name=name, **dict(entry)) for name, entry in inventory.targets.items()
        },
    )


def inventory_path(environ: Mapping[str, str] = os.environ) -> Path:
    """The inventory that the environment names, else the project's own."""
    named = environ.get("CHOM_INVENTORY", "")
    return Path(os.path.expanduser(named)) if named else INVENTORY


def other_inventories(path: Path) -> list[Path]:
    """Inventories in the folder of this one that name a server, other than those of examples."""
    files = sorted({*path.parent.glob("*.yaml"), *path.parent.glob("*.yml")} - {path})
    return [file for file in files if _names_a_server(file)]


def _names_a_server(file: Path) -> bool:
    data = read(file, remedy="").data
    targets = data.get("targets")
    entries = targets.values() if isinstance(targets, dict) else ()
    addresses = [entry.get("address") for entry in entries if isinstance(entry, dict)]
    return any(address and not example_network(str(address)) for address in addresses)


def validate(merged: dict[str, Any], sources: Sources) -> tuple[Inventory | None, list[Problem]]:
    """The inventory, or what the schema refuses in it. Raises nothing."""
    try:
        return Inventory.model_validate(merged), []
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=False)
        problems = [explain(detail, sources) for detail in details if not _follows(detail, details)]
        return None, problems


def _follows(detail: ErrorDetails, others: Sequence[ErrorDetails]) -> bool:
    """Whether a problem is but the consequence of another one, which is reported."""
    if detail["type"] != "too_short":
        return detail["type"] in _CONSEQUENCES
    # Items that were refused are not counted.
    depth = len(detail["loc"])
    return any(other["loc"][:depth] == detail["loc"] for other in others if other is not detail)
