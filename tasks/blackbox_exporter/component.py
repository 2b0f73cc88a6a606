"""blackbox_exporter: looks at the applications' pages from outside, as their visitors do."""

from tasks.blackbox_exporter.modules import OWN, PUBLIC
from tasks.component import Site, component
from tasks.metrics.exporter import LOOPBACK, exporter, toolkit
from tasks.resources import absent, file, text_file
from tasks.sandbox import Checker, Sandbox
from tasks.tls.component import certificate_of

CONFIG = "/etc/chom/blackbox.yml"
TRUSTED = "/etc/chom/blackbox.crt"


@component(needs=["base", "metrics"], packages=["prometheus-blackbox-exporter"])
def blackbox_exporter(site: Site) -> None:
    """It fetches what it is told to, so only Prometheus on this machine may tell it."""
    port = site.settings.blackbox_exporter.port
    own = [each for each in site.targets if each.settings.tls.mode == "selfsigned"]
    if own:
        text_file(TRUSTED, "".join(certificate_of(site, each) for each in own))
    else:
        absent(TRUSTED)
    config = file(
        CONFIG,
        "blackbox.yml.j2",
        # As root: the exporter's user is yet to be made.
        check=Checker(
            f"prometheus-blackbox-exporter --config.check --config.file={CONFIG}", Sandbox()
        ),
        public=PUBLIC,
        own=OWN,
        # It reads that at every probe.
        trusted=TRUSTED if own else None,
    )
    exporter(site, port, [*toolkit(port, LOOPBACK), f"--config.file={config}"], reads=[config])
