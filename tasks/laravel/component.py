"""Laravel: the application's release, its user, its database, its PHP pool and its site."""

from configs import Target
from configs.secrets import Needed
from tasks import sizing
from tasks.component import Site, component
from tasks.nginx.sites import nginx_site
from tasks.redis.component import PASSWORD as REDIS_PASSWORD
from tasks.resources import database, directory, file, release, secret, secret_file, user

# Beside the releases; a release itself is never written to.
STORAGE = ("storage/framework", "storage/framework/views")
STATUS_PATH = "/fpm-status"


def root(site: Site) -> str:
    """The application's folder: ``releases``, ``current`` and ``shared``."""
    return f"/var/www/{site.settings.laravel.name}"


def logs(site: Site) -> str:
    """The application's own logs, as a shell pattern."""
    return f"{root(site)}/shared/storage/logs/laravel*.log"


def status_socket(site: Site) -> str:
    """Where the application's PHP pool answers STATUS_PATH, and nothing else."""
    return f"/run/php/{site.settings.laravel.name}-status.sock"


def app_key(target: Target) -> Needed:
    """What Laravel seals cookies and data with: what was sealed with another is lost."""
    name = target.settings.laravel.name
    return Needed(f"{name.upper()}_APP_KEY", f"the key of {name}'s cookies", "laravel_app_key")


def database_password(target: Target) -> Needed:
    """For those who use the application's database without being its system user."""
    name = target.settings.laravel.name
    return Needed(f"{name.upper()}_DB_PASSWORD", f"the password of {name}'s database", "password")


@component(
    needs=["base", "mariadb", "redis", "tls"],
    secrets=lambda target: [app_key(target), database_password(target), REDIS_PASSWORD],
    packages=lambda site: [
        "php-laravel-framework",
        "logrotate",
        f"php{site.settings.php.version}-mysql",
        "php-redis",
    ],
)
def laravel(site: Site) -> None:
    """Runs as a system user of its own, whom MariaDB knows by its socket."""
    name, base = site.settings.laravel.name, root(site)
    version = site.settings.php.version
    user(name, home=base)
    directory(base)
    directory(f"{base}/releases")
    directory(f"{base}/shared")
    # Those who read logs may pass, and whatever is made there is theirs to read.
    directory(f"{base}/shared/storage", owner=name, mode="751")
    for folder in STORAGE:
        directory(f"{base}/shared/{folder}", owner=name, mode="750")
    directory(f"{base}/shared/storage/logs", owner=name, group="adm", mode="2750")
    file(
        f"/etc/logrotate.d/{name}",
        "logrotate.j2",
        check=f"logrotate -d /etc/logrotate.d/{name}",
        logs=logs(site),
    )
    password = secret(database_password(site.target))
    secret_file(
        f"{base}/shared/.env",
        "env.j2",
        group=name,
        app_key=secret(app_key(site.target)),
        database_password=password,
        redis_password=secret(REDIS_PASSWORD),
    )
    database(name, owner=name, password=password)
    release("app", root=base)
    settings = site.settings.php
    slow_log = f"/var/log/php-{name}.slow.log"
    file(f"/etc/logrotate.d/php-{name}", "slow_log.j2", slow_log=slow_log)
    file(
        f"/etc/php/{version}/fpm/pool.d/{name}.conf",
        "pool.conf.j2",
        check=f"php-fpm{version} -t",
        base=base,
        status_path=STATUS_PATH,
        status_socket=status_socket(site),
        children=settings.children or sizing.fpm_children(site.hardware, settings.child_memory_mb),
        slow_log=slow_log,
        # What is slow to the rules, which count them, is slow here.
        slow_s=site.of_role("observability")[0].settings.alerting.slow_s,
    )
    nginx_site(name, "site.conf.j2", base=base)
