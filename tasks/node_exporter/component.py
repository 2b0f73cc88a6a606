"""node_exporter: the machine's own metrics, for the observability target alone."""

from tasks.component import Site, component
from tasks.metrics.exporter import admit_observers, exporter, toolkit

# What other programs want it to tell, in the format of Prometheus.
TEXTFILES = "/var/lib/chom/metrics"


@component(needs=["base", "metrics"], packages=["prometheus-node-exporter"])
def node_exporter(site: Site) -> None:
    """It must see every mount, and the clock."""
    port = site.settings.node_exporter.port
    admit_observers(site, port)
    arguments = [*toolkit(port), f"--collector.textfile.directory={TEXTFILES}"]
    exporter(site, port, arguments, home=True, extra=["ProtectClock=no"])
