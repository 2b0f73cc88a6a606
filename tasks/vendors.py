"""The vendors whose signed repositories we install from, as the settings name them."""

from tasks.component import Site
from tasks.repositories import Repository


def grafana(site: Site) -> Repository:
    """Grafana Labs' own, which Loki, Grafana, Alloy and Promtail come from."""
    settings = site.settings.grafana_apt
    return Repository("grafana", settings.url, settings.key_url, tuple(settings.fingerprints))


def pinned(name: str, version: str) -> str:
    """What apt is asked for: a version of a package, or whatever is ``latest``."""
    return name if version == "latest" else f"{name}={version}"
