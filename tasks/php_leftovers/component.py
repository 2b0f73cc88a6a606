"""PHP's leftovers: pools and versions that served until Nginx was told of others."""

from tasks import vendors
from tasks.component import Site, component, noted
from tasks.laravel.places import apps_of
from tasks.operations import php as operations
from tasks.php.component import fpm
from tasks.php.versions import of_vendor
from tasks.resources import nothing_else


@component(needs=["php", "nginx", "releases", "workers"])
def php_leftovers(site: Site) -> None:
    """After all that could still ask for them."""
    versions = site.settings.php.versions
    for version in versions:
        names = [f"chom-{name}.conf" for name in apps_of(site, version)]
        nothing_else(f"/etc/php/{version}/fpm/pool.d", "chom-*.conf", names)
        fpm(version)
    with noted("No other version of ours") as label:
        operations.remove_versions(name=label, wanted=list(versions))
    if not of_vendor(versions):
        with noted("PHP's packages are Debian's") as label:
            preferences = vendors.php(site).preferences_path
            operations.return_to_debian(name=label, preferences=preferences)
