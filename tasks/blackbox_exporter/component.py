"""blackbox_exporter: looks at the applications' pages from outside, as their visitors do."""

from tasks.component import Site, component
from tasks.metrics.exporter import LOOPBACK, exporter, toolkit
from tasks.resources import file

CONFIG = "/etc/chom/blackbox.yml"


@component(needs=["base", "metrics"], packages=["prometheus-blackbox-exporter"])
def blackbox_exporter(site: Site) -> None:
    """It fetches what it is told to, so only Prometheus on this machine may tell it."""
    port = site.settings.blackbox_exporter.port
    config = file(
        CONFIG,
        "blackbox.yml.j2",
        check=f"prometheus-blackbox-exporter --config.check --config.file={CONFIG}",
    )
    exporter(site, port, [*toolkit(port, LOOPBACK), f"--config.file={config}"], reads=[config])
