"""Laravel: what each application has beside its releases, and where it is served."""

from typing import Any

from configs import App, Page
from facts.folders import Folder
from facts.versions import of_package
from tasks.component import Site, component
from tasks.laravel import secrets
from tasks.laravel.environment import environment
from tasks.laravel.places import (
    BACKUPS,
    build_user,
    dumps,
    fpm_log,
    fpm_logs,
    logs,
    root,
    slow_log,
    socket,
    storage,
)
from tasks.nginx.sites import public_sites
from tasks.resources import (
    database,
    directory,
    file,
    log_file,
    secret,
    secret_file,
    user,
    user_folders,
)

# Beside the releases; a release itself is never written to.
STORAGE = ("framework", "framework/cache", "framework/sessions", "framework/views")
# Of each client, for each application.
LOGIN_TRIES = "10r/m"
# Names of source code, as a pattern of Nginx that ignores case: what some PHP executes or includes,
# and what editors and people call their copies of it, such as "config.php~" and "config.php.bak".
SOURCE = (
    r"\.(?:php[0-9]?|phtml|phar|phps|phpt|pht|inc)"
    r"(?:[~#_-][^/]*|\.(?:bak|backup|copy|dist|old|orig|sav|save|sw[a-p]|tmp|txt|[0-9]+))?(?:/|$)"
)


@component(
    needs=["base", "mariadb", "tls"],
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
        _logs(name)
    # One that is no longer wanted is not served any more; what it holds stays.
    public_sites("apps", "site.conf.j2", _pages(site))


def _packages(site: Site) -> list[str]:
    """Debian's Laravel is for our own page alone: others bring the one that they were made for."""
    pages = [app for app in site.target.apps.values() if app.source == "page"]
    return ["php-laravel-framework"] if pages else []


def _data(site: Site) -> list[str]:
    """What the applications have written, and what PHP-FPM says of them."""
    return [
        *(storage(name) for name in site.target.apps),
        *(dumps(name) for name in site.target.apps),
        *(path(name) for name in site.target.apps for path in (fpm_log, slow_log)),
    ]


def _folders(name: str) -> None:
    base = root(name)
    user(name, home=base)
    user(build_user(name))
    directory(base)
    # Who knows a release's name may pass; the release says who reads what of it.
    directory(f"{base}/releases", mode="711", kind="artifacts")
    directory(f"{base}/shared")
    # Those who read logs may pass, and whatever is made there is theirs to read.
    directory(storage(name), owner=name, mode="751")
    user_folders(storage(name), owner=name, folders=_storage(name))


def _storage(name: str) -> dict[str, Folder]:
    own = Folder(group=name, mode="750")
    # Nginx may pass to what is public and read it; the group is also that of what is made there.
    public = {
        "app": Folder(group="www-data", mode="710"),
        "app/public": Folder(group="www-data", mode="2750"),
    }
    # Who reads logs may read what is made there, also after a rotation.
    return {**public, **dict.fromkeys(STORAGE, own), "logs": Folder(group="adm", mode="2750")}


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


def _logs(name: str) -> None:
    """The logs of its PHP: files of the application's in a folder of root's."""
    directory(fpm_logs(name))
    for path in (fpm_log(name), slow_log(name)):
        log_file(path, owner=name)
    file(
        f"/etc/logrotate.d/php-{name}",
        "php_logs.j2",
        check=f"logrotate -d /etc/logrotate.d/php-{name}",
        name=name,
        paths=[fpm_log(name), slow_log(name)],
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
