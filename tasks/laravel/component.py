"""Laravel: the application's release, its user, its database, its PHP pool and its site."""

from tasks import sizing
from tasks.component import Site, component
from tasks.nginx.sites import nginx_site
from tasks.resources import database, directory, file, release, secret_made_here, user

# Beside the releases; a release itself is never written to.
STORAGE = ("storage", "storage/framework", "storage/framework/views", "storage/logs")


def root(site: Site) -> str:
    """The application's folder: ``releases``, ``current`` and ``shared``."""
    return f"/var/www/{site.settings.laravel.name}"


@component(
    needs=["base", "mariadb", "redis"],
    packages=lambda site: [
        "php-laravel-framework",
        f"php{site.settings.php.version}-mysql",
        "php-redis",
    ],
)
def laravel(site: Site) -> None:
    """Runs as a system user of its own, whom MariaDB knows by its socket: no password exists."""
    name, base = site.settings.laravel.name, root(site)
    version = site.settings.php.version
    user(name, home=base)
    directory(base)
    directory(f"{base}/releases")
    directory(f"{base}/shared")
    for folder in STORAGE:
        directory(f"{base}/shared/{folder}", owner=name, mode="750")
    secret_made_here(
        f"{base}/shared/.env",
        f"printf 'APP_NAME={name}\\nDB_DATABASE={name}\\nDB_USERNAME={name}\\n"
        f'REDIS_PREFIX={name}:\\nAPP_KEY=base64:%s\\n\' "$(head -c 32 /dev/urandom | base64)"',
        owner="root",
        group=name,
    )
    database(name, owner=name)
    release("app", root=base)
    settings = site.settings.php
    file(
        f"/etc/php/{version}/fpm/pool.d/{name}.conf",
        "pool.conf.j2",
        check=f"php-fpm{version} -t",
        base=base,
        children=settings.children or sizing.fpm_children(site.hardware, settings.child_memory_mb),
    )
    nginx_site(name, "site.conf.j2", base=base)
