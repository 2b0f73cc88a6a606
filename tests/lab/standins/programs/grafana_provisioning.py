"""The datasources and dashboards that Grafana finds in its provisioning folder."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from .grafana_settings import expanded
from .web import log

_DATASOURCE = (
    "name type access orgId uid url user database basicAuth basicAuthUser withCredentials isDefault"
    " correlations jsonData secureJsonData editable version apiVersion"
)
_PROVIDER = (
    "name orgId folder folderUid type disableDeletion editable updateIntervalSeconds allowUiUpdates"
    " options"
)


class ProvisioningError(Exception):
    """Something that Grafana would not start with."""


def datasources(folder: Path) -> list[dict[str, Any]]:
    """What the files of `datasources/` give, with their references put in.

    Raises:
        ProvisioningError: A file is no YAML, a datasource has no name or type, or there are two
            defaults.
    """
    found: dict[str, dict[str, Any]] = {}
    for file, content in _files(folder / "datasources"):
        for given in content.get("datasources") or []:
            source = _checked(file, given, _DATASOURCE)
            source.setdefault("uid", f"P{hashlib.sha256(source['name'].encode()).hexdigest()[:16]}")
            source.setdefault("access", "proxy")
            found[source["name"]] = source
    if sum(bool(source.get("isDefault")) for source in found.values()) > 1:
        raise ProvisioningError(
            "Datasource provisioning error: datasource.yaml config is invalid. Only one datasource"
            " per organization can be marked as default"
        )
    return list(found.values())


def dashboards(folder: Path) -> dict[str, dict[str, Any]]:
    """The dashboards of all providers by uid: `dashboard`, `folder` and `file` of each.

    Raises:
        ProvisioningError: A provider's file is no YAML, or names no folder.
    """
    found: dict[str, dict[str, Any]] = {}
    for file, content in _files(folder / "dashboards"):
        for given in content.get("providers") or []:
            provider = _checked(file, {"type": "file", **given}, _PROVIDER)
            path = (provider.get("options") or {}).get("path")
            if not path:
                raise ProvisioningError(f"failed to load dashboards from {file}: no options.path")
            for each in sorted(Path(path).rglob("*.json")):
                if dashboard := _dashboard(each):
                    folder_name = str(provider.get("folder") or "")
                    found[dashboard["uid"]] = {
                        "dashboard": dashboard,
                        "folder": folder_name,
                        "file": str(each),
                    }
    return found


def _dashboard(file: Path) -> dict[str, Any] | None:
    try:
        dashboard: dict[str, Any] = json.loads(file.read_text())
        if not dashboard.get("title"):
            raise ValueError("Dashboard title cannot be empty")
    except (OSError, ValueError, AttributeError) as error:
        log("error", "failed to load dashboard from", logger="provisioning", file=file, error=error)
        return None
    dashboard.setdefault("uid", hashlib.sha256(str(file).encode()).hexdigest()[:12])
    return dashboard


def _checked(file: Path, given: dict[str, Any], names: str) -> dict[str, Any]:
    """The real one skips unknown keys without a word; here at least the log says so."""
    known = names.split()
    for name in given:
        if name not in known:
            log("warn", "unknown key ignored", logger="provisioning", file=file, key=name)
    for name in ("name", "type"):
        if not given.get(name):
            raise ProvisioningError(f"Datasource provisioning error: {file}: {name} is required")
    return {name: _expanded(value) for name, value in given.items() if name in known}


def _expanded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _expanded(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_expanded(each) for each in value]
    if not isinstance(value, str):
        return value
    bare = re.sub(r"\$([A-Za-z]\w*)", r"${\1}", value.replace("$$", "\0"))
    return expanded(bare, os.environ).replace("\0", "$")


def _files(folder: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    for file in sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")]):
        try:
            yield file, yaml.safe_load(file.read_text()) or {}
        except (OSError, yaml.YAMLError) as error:
            raise ProvisioningError(f"Failed to read {file}: {error}") from error
