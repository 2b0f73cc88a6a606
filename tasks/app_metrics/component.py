"""app_metrics: what node_exporter is to tell of the applications beside the machine's own."""

from tasks.component import Site, component
from tasks.node_exporter.component import TEXTFILES
from tasks.operations.releases import PROGRAM
from tasks.redis.instances import reaches_redis
from tasks.resources import directory, file, timer
from tasks.sandbox import Sandbox


@component(needs=["node_exporter", "redis", "mariadb", "releases"], tolerates=["releases"])
def app_metrics(site: Site) -> None:
    """A timer writes them down, whole, and node_exporter shows them."""
    written = f"{TEXTFILES}/applications.prom"
    directory(TEXTFILES)
    file(
        "/etc/systemd/system/chom-app-metrics.service",
        "metrics.service.j2",
        program=PROGRAM,
        written=written,
        # Root's, for the passwords that it reads, but without any of root's powers.
        sandbox=Sandbox(writes=(TEXTFILES,), extra=reaches_redis(site.target)),
    )
    path = file("/etc/systemd/system/chom-app-metrics.timer", "metrics.timer.j2")
    timer("chom-app-metrics", runs=path, makes=[written])
