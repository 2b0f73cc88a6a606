"""PHP: each version, a service for each application, and the version of the command php."""

from tasks import vendors
from tasks.component import Site, component, noted
from tasks.operations import php as operations
from tasks.php.pools import pool
from tasks.php.versions import of_vendor, packages
from tasks.resources import absent, file


@component(
    needs=["base", "laravel", "redis"],
    packages=lambda site: [
        name for version in site.settings.php.versions for name in packages(version)
    ],
    repositories=lambda site: [vendors.php(site)] if of_vendor(site.settings.php.versions) else [],
)
def php(site: Site) -> None:
    """Hardened defaults for each version; no process of PHP belongs to root."""
    for version in site.settings.php.versions:
        file(ini(version), "chom.ini.j2")
        absent(f"/etc/php/{version}/fpm/pool.d/www.conf")
    for name, app in site.target.apps.items():
        pool(site, name, app, ini(site.target.php_of(app)))
    with noted(f"php is PHP {site.settings.php.default_version}") as label:
        operations.set_default(name=label, version=site.settings.php.default_version)


def ini(version: str) -> str:
    """Our settings of a version's PHP-FPM."""
    return f"/etc/php/{version}/fpm/conf.d/90-chom.ini"
