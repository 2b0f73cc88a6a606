"""mysqld_exporter: what MariaDB tells of itself, for the observability target alone."""

from tasks.component import Site, component
from tasks.metrics.exporter import admit_observers, exporter, toolkit
from tasks.resources import database_reader, file

USER = "mysqld_exporter"
# What its collectors ask for: InnoDB's counters, and the state of replication. No data.
PRIVILEGES = ("PROCESS", "SLAVE MONITOR")


@component(needs=["base", "metrics", "mariadb"], packages=["prometheus-mysqld-exporter"])
def mysqld_exporter(site: Site) -> None:
    """MariaDB knows its system user by the socket, so there is no password."""
    port = site.settings.mysqld_exporter.port
    admit_observers(site, port)
    database_reader(USER, PRIVILEGES)
    login = file(f"/etc/chom/{USER}.cnf", "login.cnf.j2", user=USER)
    exporter(site, port, [*toolkit(port), f"--config.my-cnf={login}"], runs=[login])
