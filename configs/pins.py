"""Version settings that say ``pinned``: the version of versions.yaml takes the word's place."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from configs.documents import Document, read
from configs.paths import PROJECT

VERSIONS = PROJECT / "configs" / "versions.yaml"
PINNED, LATEST = "pinned", "latest"
# Package → the section of the settings whose `version` is the package's.
SECTIONS = {
    "grafana": "grafana",
    "loki": "loki",
    "alloy": "logs",
    "promtail": "logs",
    "prometheus": "prometheus",
}


def read_versions(path: Path = VERSIONS) -> Document:
    """Read versions.yaml without judging it. Raises nothing."""
    return read(path, remedy="put the file back as it was released")


def package_of(section: str, shipper: Any) -> str:
    """The package whose version a section of the settings sets. ``shipper``: logs.shipper."""
    return str(shipper) if section == "logs" else section


def resolve(settings: Any, pins: Mapping[str, Any]) -> Any:
    """Settings with every version that says ``pinned`` replaced by the pinned one.

    The checksums of Prometheus come with it. What has the wrong shape stays as it is, for the
    schema to refuse. ``pins``: those of versions.yaml.
    """
    if not isinstance(settings, dict):
        return settings
    resolved = dict(settings)
    logs = settings.get("logs")
    shipper = logs.get("shipper") if isinstance(logs, dict) else None
    for section in dict.fromkeys(SECTIONS.values()):
        written, pin = settings.get(section), pins.get(package_of(section, shipper))
        if isinstance(written, dict) and pin:
            resolved[section] = _resolve_section(written, pin)
    return resolved


def _resolve_section(section: dict[str, Any], pin: Mapping[str, Any]) -> dict[str, Any]:
    is_pinned = section.get("version") == PINNED
    resolved = {**section, "version": pin["version"]} if is_pinned else dict(section)
    # Where another version lacks its checksums, that is reported once, with the version.
    if "sha256" in pin and "sha256" not in section:
        resolved["sha256"] = dict(pin["sha256"])
    return resolved
