"""Where things of an application are on its target."""

from configs import Target
from tasks.component import Site

# A folder for each application, of dumps.
BACKUPS = "/var/backups/chom"
SOCKETS = "/run/chom-php"
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


def storage(name: str) -> str:
    """The folder that the application may write to."""
    return f"{root(name)}/shared/storage"


def build_user(name: str) -> str:
    """The system user that makes an application's releases; no application has such a name."""
    return f"_{name}"


def fpm_unit(name: str, version: str) -> str:
    """The systemd unit of an application's PHP-FPM, without an ending."""
    return f"{name}-php{version}"


def socket(name: str, version: str) -> str:
    """Where the PHP of this version serves an application; systemd makes it, and Nginx connects.

    In a folder of root's: an application that could replace the socket would have Nginx hand
    its requests to another application.
    """
    return f"{SOCKETS}/{name}-{version}.sock"


def status_socket(name: str, version: str) -> str:
    """Where the application's PHP-FPM answers STATUS_PATH, and nothing else."""
    return f"{SOCKETS}/{name}-{version}-status.sock"


def fpm_logs(name: str) -> str:
    """A folder of root's, so that a log is never a link that the application made."""
    return f"/var/log/chom/{name}"


def fpm_log(name: str) -> str:
    """What PHP-FPM and the standard error of the application's PHP say."""
    return f"{fpm_logs(name)}/php.log"


def slow_log(name: str) -> str:
    """What PHP was at when a request took too long."""
    return f"{fpm_logs(name)}/php-slow.log"


def apps_of(site: Site, version: str) -> list[str]:
    """The applications of the target that run on this PHP version."""
    target: Target = site.target
    return [name for name, app in target.apps.items() if target.php_of(app) == version]
