"""Where things of an application are on its target."""

from configs import Target
from tasks.component import Site

# A folder for each application, of dumps.
BACKUPS = "/var/backups/chom"
# PHP-FPM tells of a pool here, by a socket of its own.
STATUS_PATH = "/fpm-status"


def root(name: str) -> str:
    """An application's folder: ``releases``, ``current`` and ``shared``."""
    return f"/var/www/{name}"


def logs(name: str) -> str:
    """An application's own logs, as a shell pattern."""
    return f"{root(name)}/shared/storage/logs/laravel*.log"


def dumps(name: str) -> str:
    """The database as it was before each migration."""
    return f"{BACKUPS}/{name}"


def socket(name: str, version: str) -> str:
    """Where the PHP of this version serves an application."""
    return f"/run/php/{name}-{version}.sock"


def status_socket(name: str, version: str) -> str:
    """Where the application's pool answers STATUS_PATH, and nothing else."""
    return f"/run/php/{name}-{version}-status.sock"


def slow_log(name: str) -> str:
    """What PHP was at when a request took too long."""
    return f"/var/log/php-{name}.slow.log"


def apps_of(site: Site, version: str) -> list[str]:
    """The applications of the target that run on this PHP version."""
    target: Target = site.target
    return [name for name, app in target.apps.items() if target.php_of(app) == version]
