"""mysqld_exporter: what MariaDB tells of itself, for the observability target alone."""

from tasks.component import Site, component
from tasks.metrics.component import secrets_of
from tasks.metrics.exporter import LOCAL, LOOPBACK, exporter, shown_by_nginx, toolkit
from tasks.resources import database_reader, file

USER = "mysqld_exporter"
# What its collectors ask for: InnoDB's counters, and the state of replication. No data.
PRIVILEGES = ("PROCESS", "SLAVE MONITOR")
# Its page /probe connects to any database server that a request names: Nginx does not show it.
INTERNAL_PORT = 19104


@component(
    needs=["base", "metrics", "mariadb"],
    packages=["prometheus-mysqld-exporter"],
    secrets=secrets_of,
)
def mysqld_exporter(site: Site) -> None:
    """MariaDB knows its system user by the socket, so there is no password."""
    shown_by_nginx(site, site.settings.mysqld_exporter.port, INTERNAL_PORT)
    database_reader(USER, PRIVILEGES)
    login = file(f"/etc/chom/{USER}.cnf", "login.cnf.j2", user=USER)
    arguments = [*toolkit(INTERNAL_PORT, LOOPBACK), f"--config.my-cnf={login}"]
    exporter(site, INTERNAL_PORT, arguments, runs=[login], sandbox=LOCAL)
