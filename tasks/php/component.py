"""PHP-FPM: the pools that applications have put into pool.d, served."""

from tasks.component import Site, component
from tasks.laravel.component import root
from tasks.resources import absent, file, log_file, service
from tasks.sandbox import Sandbox


def log(site: Site) -> str:
    """Where PHP-FPM and the applications' own standard error write to."""
    return f"/var/log/php{site.settings.php.version}-fpm.log"


@component(
    needs=["base"],
    packages=lambda site: [
        f"php{site.settings.php.version}-{part}"
        for part in ("fpm", "cli", "mbstring", "xml", "curl", "opcache")
    ],
)
def php(site: Site) -> None:
    """One version with hardened defaults; a new pool or release is a graceful reload."""
    version = site.settings.php.version
    folder = f"/etc/php/{version}/fpm"
    ini = file(f"{folder}/conf.d/90-chom.ini", "chom.ini.j2")
    absent(f"{folder}/pool.d/www.conf")
    log_file(log(site))
    file(
        f"/etc/logrotate.d/php{version}-fpm",
        "logrotate.j2",
        check=f"logrotate -d /etc/logrotate.d/php{version}-fpm",
        log=log(site),
    )
    service(
        f"php{version}-fpm",
        reads=[
            ini,
            f"{folder}/pool.d/*.conf",
            f"{root(site)}/current/.release",
            f"{root(site)}/shared/.env",
        ],
        ready=f"php-fpm{version} -t",
        # PCRE compiles regular expressions to machine code, so memory must be executable.
        sandbox=Sandbox(
            writes=("/run", "/var/log", "/var/lib/php", f"{root(site)}/shared/storage"), jit=True
        ),
    )
