"""PHP's leftovers: services and versions that served until Nginx was told of others."""

from tasks import vendors
from tasks.component import Site, component, noted
from tasks.laravel.places import fpm_unit
from tasks.operations import php as operations
from tasks.operations.units import remove_units
from tasks.php.pools import CONFIGS, MARK, config_name
from tasks.php.versions import of_vendor
from tasks.resources import nothing_else, service
from tasks.sandbox import Sandbox


@component(needs=["php", "nginx", "releases", "workers"])
def php_leftovers(site: Site) -> None:
    """After all that could still ask for them."""
    versions = site.settings.php.versions
    wanted = {name: site.target.php_of(app) for name, app in site.target.apps.items()}
    units = [fpm_unit(name, version) for name, version in wanted.items()]
    with noted("No other PHP of applications") as label:
        both = [f"{unit}.{kind}" for unit in units for kind in ("socket", "service")]
        remove_units(name=label, mark=MARK, wanted=both)
    nothing_else(CONFIGS, "*.conf", [config_name(*each) for each in wanted.items()])
    for version in versions:
        nothing_else(f"/etc/php/{version}/fpm/pool.d", "*chom*.conf", [])
        _stand_for_all(version)
    with noted("No other version of ours") as label:
        operations.remove_versions(name=label, wanted=list(versions))
    if not of_vendor(versions):
        with noted("PHP's packages are Debian's") as label:
            preferences = vendors.php(site).preferences_path
            operations.return_to_debian(name=label, preferences=preferences)


def _stand_for_all(version: str) -> None:
    """Have Debian's service run no process: those of the applications start and end with it.

    A package that replaces PHP restarts it, and so all of them.
    """
    nothing = ("Type=oneshot", "RemainAfterExit=yes", "ExecStart=", "ExecStart=/bin/true")
    hooks = ("ExecReload=", "ExecStartPost=", "ExecStopPost=")
    service(f"php{version}-fpm", sandbox=Sandbox(extra=(*nothing, *hooks)))
