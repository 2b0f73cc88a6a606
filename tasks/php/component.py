"""PHP-FPM: each version with the pools of its applications, and the version of the command php."""

from tasks import sizing, vendors
from tasks.component import Site, component, noted
from tasks.operations import php as operations
from tasks.php.versions import of_vendor, packages
from tasks.resources import absent, file, service
from tasks.sandbox import Checker, Sandbox

# PCRE compiles regular expressions to machine code, so memory must be executable.
SANDBOX = Sandbox(
    writes=("/run", "/var/log", "/var/lib/php", "/var/www"),
    jit=True,
    # Its root process starts, stops and traces (for the log of slow requests) those of the pools.
    capabilities=(
        "CAP_CHOWN",
        "CAP_DAC_OVERRIDE",
        "CAP_FOWNER",
        "CAP_KILL",
        "CAP_SETGID",
        "CAP_SETUID",
        "CAP_SYS_PTRACE",
    ),
    system_calls=("@chown", "@debug", "@resources", "@setuid"),
)


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


def _version(site: Site, version: str) -> None:
    folder = f"/etc/php/{version}/fpm"
    file(
        _ini(version),
        "chom.ini.j2",
        opcache_mb=sizing.opcache_mb(site.hardware, len(site.settings.php.versions)),
    )
    absent(f"{folder}/pool.d/www.conf")
    file(
        _own(version),
        "chom.conf.j2",
        check=checker(version),
        socket=socket(version),
    )
    file(
        f"/etc/logrotate.d/php{version}-fpm",
        "logrotate.j2",
        check=f"logrotate -d /etc/logrotate.d/php{version}-fpm",
        log=log(version),
        version=version,
    )
    fpm(version)


def checker(version: str) -> Checker:
    """The checker of a version's configuration, with all pools."""
    return Checker(f"php-fpm{version} -t", SANDBOX)


def fpm(version: str) -> None:
    """PHP-FPM of a version, with the pools that there are."""
    service(
        f"php{version}-fpm",
        runs=[_own(version)],
        reads=[_ini(version), f"/etc/php/{version}/fpm/pool.d/chom-*.conf"],
        ready=f"ss -Hlx src {socket(version)} | grep -q .",
        # Another application is no reason to restart: whose files are whose, their owners tell.
        sandbox=SANDBOX,
    )


def _ini(version: str) -> str:
    return f"/etc/php/{version}/fpm/conf.d/90-chom.ini"


def socket(version: str) -> str:
    """Where PHP-FPM listens for itself, with or without applications."""
    return f"/run/php/chom-{version}.sock"


def _own(version: str) -> str:
    return f"/etc/php/{version}/fpm/pool.d/00-chom.conf"
