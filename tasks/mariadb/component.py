"""MariaDB: for the applications on this machine alone."""

from tasks import sizing
from tasks.component import Site, component
from tasks.resources import directory, file, secured_databases, service
from tasks.sandbox import Checker, Sandbox

# Its other messages go to the journal.
LOGS = "/var/log/mysql"
CONFIG = "/etc/mysql/mariadb.conf.d/60-chom.cnf"
SLOW_LOG = f"{LOGS}/mariadb-slow.log"
SANDBOX = Sandbox(
    writes=("/run", "/var/lib/mysql", LOGS),
    jit=True,
    system_calls=("@resources",),
)


@component(needs=["base"], packages=["mariadb-server"], data=["/var/lib/mysql", LOGS])
def mariadb(site: Site) -> None:
    """Debian's package; its memory follows the machine's, and it listens on loopback only."""
    settings = site.settings.mariadb
    # Who reads logs may read what is made there, also after a rotation.
    directory(LOGS, owner="mysql", group="adm", mode="2750")
    config = file(
        CONFIG,
        "chom.cnf.j2",
        check=Checker("mariadbd --help --verbose", SANDBOX, "mysql"),
        slow_log=SLOW_LOG,
        buffer_pool_mb=settings.innodb_buffer_pool_mb
        or sizing.innodb_buffer_pool_mb(site.hardware),
    )
    service(
        "mariadb",
        runs=[config],
        ready="mariadb-admin ping",
        limit_s=120,
        sandbox=SANDBOX,
    )
    secured_databases()
