"""The vendors whose signed repositories we install from, as the settings name them."""

from tasks.component import Site
from tasks.operations import apt
from tasks.repositories import Repository


def grafana(site: Site) -> Repository:
    """Grafana Labs' own, which Loki, Grafana, Alloy and Promtail come from."""
    settings = site.settings.grafana_apt
    return Repository("grafana", settings.url, settings.key_url, tuple(settings.fingerprints))


def php(site: Site) -> Repository:
    """Ondřej Surý's own, which has every PHP version that is still looked after."""
    settings = site.settings.php_apt
    return Repository(
        "php", settings.url, settings.key_url, tuple(settings.fingerprints), suite=apt.RELEASE
    )


def pinned(name: str, version: str) -> str:
    """What apt is asked for: a version of a package, or whatever is ``latest``."""
    return name if version == "latest" else f"{name}={version}"
