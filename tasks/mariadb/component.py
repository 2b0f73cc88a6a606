"""MariaDB: for the applications on this machine alone."""

from tasks import sizing
from tasks.component import Site, component
from tasks.resources import file, service
from tasks.sandbox import Sandbox


@component(needs=["base"], packages=["mariadb-server"])
def mariadb(site: Site) -> None:
    """Debian's package; its memory follows the machine's, and it listens on loopback only."""
    settings = site.settings.mariadb
    config = file(
        "/etc/mysql/mariadb.conf.d/60-chom.cnf",
        "chom.cnf.j2",
        check="mariadbd --help --verbose",
        buffer_pool_mb=settings.innodb_buffer_pool_mb
        or sizing.innodb_buffer_pool_mb(site.hardware),
    )
    service(
        "mariadb",
        runs=[config],
        ready="mariadb-admin ping",
        limit_s=120,
        sandbox=Sandbox(writes=("/run", "/var/lib/mysql", "/var/log/mysql"), jit=True),
    )
