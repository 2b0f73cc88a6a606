"""PHP-FPM of each application: a service of its own, as the application's user."""

from configs import App
from tasks import sizing
from tasks.component import Site
from tasks.laravel import confinement
from tasks.laravel.places import (
    STATUS_PATH,
    fpm_log,
    fpm_logs,
    fpm_unit,
    slow_log,
    socket,
    status_socket,
    storage,
)
from tasks.resources import file, service, socket_unit
from tasks.sandbox import Checker

CONFIGS = "/etc/chom/php"
UNITS = "/etc/systemd/system"
# Our units of applications' PHP are known by it from those of others.
MARK = "# an application's PHP, written by chom; changes are overwritten"


def config_name(name: str, version: str) -> str:
    """The name of the file that configures an application's PHP-FPM."""
    return f"{name}-{version}.conf"


def pool(site: Site, name: str, app: App, ini: str) -> None:
    """PHP-FPM of an application; a new release or another limit is a graceful reload.

    + ini: the file of PHP's settings
    """
    version, settings = site.target.php_of(app), site.settings.php
    together = settings.children or sizing.fpm_children(site.hardware, settings.child_memory_mb)
    children = app.children or max(2, together // len(site.target.apps))
    opcache_mb = sizing.opcache_mb(site.hardware, len(site.target.apps))
    memory_mb = sizing.fpm_memory_mb(site.hardware, children, settings.child_memory_mb, opcache_mb)
    logs = (f"ReadWritePaths={fpm_logs(name)}",)
    limits = (f"MemoryMax={memory_mb}M", f"TasksMax={8 * children + 32}", "CPUWeight=100")
    sandbox = confinement.runtime(name, app, *logs, *limits)
    unit, path = fpm_unit(name, version), f"{CONFIGS}/{config_name(name, version)}"
    sockets = {"socket": socket(name, version), "status_socket": status_socket(name, version)}
    config = file(
        path,
        "pool.conf.j2",
        check=Checker(f"php-fpm{version} -t --fpm-config {path}", sandbox, name),
        name=name,
        status_path=STATUS_PATH,
        children=children,
        log=fpm_log(name),
        slow_log=slow_log(name),
        # What is slow to the rules, which count them, is slow here.
        slow_s=site.of_role("observability")[0].settings.alerting.slow_s,
        sessions=f"{storage(name)}/framework/sessions",
        opcache_mb=opcache_mb,
        **sockets,
    )
    values = {"mark": MARK, "name": name, "version": version, **sockets}
    socket_file = file(f"{UNITS}/{unit}.socket", "fpm.socket.j2", **values)
    unit_file = file(f"{UNITS}/{unit}.service", "fpm.service.j2", config=path, **values)
    socket_unit(unit, runs=socket_file)
    service(unit, runs=[unit_file], reads=[ini, config], sandbox=sandbox)
