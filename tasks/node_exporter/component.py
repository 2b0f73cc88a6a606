"""node_exporter: the machine's own metrics, for the observability target alone."""

from dataclasses import replace

from tasks.component import Site, component
from tasks.metrics.exporter import SANDBOX, admit_observers, exporter, toolkit

# What other programs want it to tell, in the format of Prometheus.
TEXTFILES = "/var/lib/chom/metrics"


@component(needs=["base", "metrics"], packages=["prometheus-node-exporter"])
def node_exporter(site: Site) -> None:
    """It must see every mount, the processes of all users, and the clock."""
    port = site.settings.node_exporter.port
    admit_observers(site, port)
    arguments = [*toolkit(port), f"--collector.textfile.directory={TEXTFILES}"]
    sandbox = replace(
        SANDBOX, home=True, processes=True, system_calls=["adjtimex"], extra=["ProtectClock=no"]
    )
    exporter(site, port, arguments, sandbox=sandbox)
