"""The vendors whose signed repositories we install from, as the settings name them."""

from collections.abc import Iterable
from urllib.parse import urlsplit

from configs.pins import LATEST
from tasks.component import Site
from tasks.operations import apt
from tasks.repositories import Repository

# `Origin:` of the Release file, also in mirrors of the repository.
SURY = "deb.sury.org"


def grafana(site: Site) -> Repository:
    """Grafana Labs' own, which Loki, Grafana, Alloy and Promtail come from.

    Its Release file says ``Origin: . stable`` as many others do: it is known by its host.
    """
    settings = site.settings.grafana_apt
    return Repository(
        "grafana",
        settings.url,
        settings.key_url,
        tuple(settings.fingerprints),
        updates=f"site={urlsplit(settings.url).hostname}" if settings.unattended_upgrades else "",
    )


def php(site: Site) -> Repository:
    """Ondřej Surý's own, which has every PHP version that is still looked after.

    Where it is used, all PHP packages come from it, those of Debian's version included: the common
    ones (php-common) of either archive may forbid the other's.
    """
    settings = site.settings.php_apt
    return Repository(
        "php",
        settings.url,
        settings.key_url,
        tuple(settings.fingerprints),
        suite=apt.RELEASE,
        updates=f"origin={SURY}" if settings.unattended_upgrades else "",
        origin=SURY,
        owns="php*",
    )


def pinned(name: str, version: str) -> str:
    """The package that apt is asked for: in a version, or in any if the setting is ``latest``."""
    return name if version == LATEST else f"{name}={version}"


def preferences(packages: Iterable[str]) -> dict[str, str]:
    """Preferences of apt that hold each NAME=VERSION of the ``packages``: name → text.

    Neither `apt upgrade` nor unattended-upgrades moves them then. A higher priority would also
    have apt replace a newer version by itself.
    """
    versions = dict(each.split("=", 1) for each in packages if "=" in each)
    return {
        name: "# written by chom; changes are overwritten\n"
        f"Package: {name}\nPin: version {version}\nPin-Priority: 1000\n"
        for name, version in sorted(versions.items())
    }
