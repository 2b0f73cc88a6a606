"""Laravel: what each application has beside its releases, and where it is served."""

from typing import Any

from configs import App, Page
from facts.versions import of_package
from tasks import sizing
from tasks.component import Site, component
from tasks.laravel import secrets
from tasks.laravel.environment import environment
from tasks.laravel.places import (
    BACKUPS,
    STATUS_PATH,
    dumps,
    logs,
    root,
    slow_log,
    socket,
    status_socket,
)
from tasks.nginx.sites import public_sites
from tasks.php.component import checker as php_checker
from tasks.php.component import log as fpm_log
from tasks.resources import database, directory, file, log_file, secret, secret_file, user

# Beside the releases; a release itself is never written to.
STORAGE = ("app", "app/public", "framework", "framework/cache", "framework/sessions")
VIEWS = "framework/views"
# Of each client, for each application.
LOGIN_TRIES = "10r/m"
# Names of source code, as a pattern of Nginx that ignores case: what some PHP executes or includes,
# and what editors and people call their copies of it, such as "config.php~" and "config.php.bak".
SOURCE = (
    r"\.(?:php[0-9]?|phtml|phar|phps|phpt|pht|inc)"
    r"(?:[~#_-][^/]*|\.(?:bak|backup|copy|dist|old|orig|sav|save|sw[a-p]|tmp|txt|[0-9]+))?(?:/|$)"
)


@component(
    needs=["base", "mariadb", "redis", "tls"],
    secrets=secrets.of_apps,
    packages=lambda site: _packages(site),
    data=lambda site: _data(site),
    version=lambda site: "; ".join(map(of_package, _packages(site))) or "true",
)
def laravel(site: Site) -> None:
    """Each runs as a system user of its own, whom MariaDB knows by its socket."""
    directory(BACKUPS, mode="700")
    for name, app in site.target.apps.items():
        _folders(name)
        _settings(site, name, app)
        _pool(site, name, app)
    for version in site.settings.php.versions:
        log_file(fpm_log(version))
    # One that is no longer wanted is not served any more; what it holds stays.
    public_sites("apps", "site.conf.j2", _pages(site))


def _packages(site: Site) -> list[str]:
    """Debian's Laravel is for our own page alone: others bring the one that they were made for."""
    pages = [app for app in site.target.apps.values() if app.source == "page"]
    return ["php-laravel-framework"] if pages else []


def _data(site: Site) -> list[str]:
    """What the applications have written, and what PHP-FPM says of them."""
    return [
        *(f"{root(name)}/shared/storage" for name in site.target.apps),
        *(dumps(name) for name in site.target.apps),
        *(slow_log(name) for name in site.target.apps),
        *(fpm_log(version) for version in site.settings.php.versions),
    ]


def _folders(name: str) -> None:
    base = root(name)
    user(name, home=base)
    directory(base)
    # Nginx reads them, and the application itself; other applications do not.
    directory(f"{base}/releases", owner=name, group="www-data", mode="550", kind="artifacts")
    directory(f"{base}/shared")
    # Those who read logs may pass, and whatever is made there is theirs to read.
    directory(f"{base}/shared/storage", owner=name, mode="751")
    for folder in (*STORAGE, VIEWS):
        directory(f"{base}/shared/storage/{folder}", owner=name, mode="750")
    directory(f"{base}/shared/storage/logs", owner=name, group="adm", mode="2750")


def _settings(site: Site, name: str, app: App) -> None:
    file(
        f"/etc/logrotate.d/{name}",
        "logrotate.j2",
        check=f"logrotate -d /etc/logrotate.d/{name}",
        name=name,
        logs=logs(name),
    )
    secret_file(
        f"{root(name)}/shared/.env",
        "env.j2",
        group=name,
        environment=environment(name, app, site.target.page(name)),
    )
    database(name, owner=name, password=secret(secrets.database_password(name)))


def _pool(site: Site, name: str, app: App) -> None:
    version, settings = site.target.php_of(app), site.settings.php
    file(f"/etc/logrotate.d/php-{name}", "slow_log.j2", slow_log=slow_log(name))
    together = settings.children or sizing.fpm_children(site.hardware, settings.child_memory_mb)
    file(
        f"/etc/php/{version}/fpm/pool.d/chom-{name}.conf",
        "pool.conf.j2",
        check=php_checker(version),
        name=name,
        base=root(name),
        socket=socket(name, version),
        status_path=STATUS_PATH,
        status_socket=status_socket(name, version),
        children=app.children or max(2, together // len(site.target.apps)),
        slow_log=slow_log(name),
        # What is slow to the rules, which count them, is slow here.
        slow_s=site.of_role("observability")[0].settings.alerting.slow_s,
    )


def _pages(site: Site) -> dict[Page, dict[str, Any]]:
    return {
        site.target.page(name): {
            "app": app,
            "base": root(name),
            "socket": socket(name, site.target.php_of(app)),
            "tries": LOGIN_TRIES,
            "source": SOURCE,
        }
        for name, app in site.target.apps.items()
    }
