"""PHP-FPM: each version with the pools of its applications, and the version of the command php."""

from tasks import sizing, vendors
from tasks.component import Site, component, noted
from tasks.laravel.places import apps_of, root
from tasks.operations import php as operations
from tasks.php.versions import of_vendor, packages
from tasks.resources import absent, file, log_file, nothing_else, service
from tasks.sandbox import Sandbox


def log(version: str) -> str:
    """Where PHP-FPM and the applications' own standard error write to."""
    return f"/var/log/php{version}-fpm.log"


@component(
    needs=["base", "laravel"],
    packages=lambda site: [
        name for version in site.settings.php.versions for name in packages(version)
    ],
    repositories=lambda site: [vendors.php(site)] if of_vendor(site.settings.php.versions) else [],
)
def php(site: Site) -> None:
    """Hardened defaults for each version; a new pool is a graceful reload."""
    for version in site.settings.php.versions:
        _version(site, version)
    with noted(f"php is PHP {site.settings.php.default_version}") as label:
        operations.set_default(name=label, version=site.settings.php.default_version)
    with noted("No other version of ours") as label:
        operations.remove_versions(name=label, wanted=list(site.settings.php.versions))


def _version(site: Site, version: str) -> None:
    folder = f"/etc/php/{version}/fpm"
    ini = file(
        f"{folder}/conf.d/90-chom.ini",
        "chom.ini.j2",
        opcache_mb=sizing.opcache_mb(site.hardware, len(site.settings.php.versions)),
    )
    absent(f"{folder}/pool.d/www.conf")
    own = file(
        f"{folder}/pool.d/00-chom.conf",
        "chom.conf.j2",
        check=f"php-fpm{version} -t",
        version=version,
    )
    names = apps_of(site, version)
    nothing_else(f"{folder}/pool.d", "chom-*.conf", [f"chom-{name}.conf" for name in names])
    log_file(log(version))
    file(
        f"/etc/logrotate.d/php{version}-fpm",
        "logrotate.j2",
        check=f"logrotate -d /etc/logrotate.d/php{version}-fpm",
        log=log(version),
        version=version,
    )
    storage = [f"{root(name)}/shared/storage" for name in names]
    service(
        f"php{version}-fpm",
        runs=[own],
        reads=[ini, f"{folder}/pool.d/chom-*.conf"],
        ready=f"php-fpm{version} -t",
        # PCRE compiles regular expressions to machine code, so memory must be executable.
        sandbox=Sandbox(writes=("/run", "/var/log", "/var/lib/php", *storage), jit=True),
    )
