"""node_exporter: the machine's own metrics, for the observability target alone."""

from tasks.component import Site, component
from tasks.quoting import systemd
from tasks.resources import allow, service, text_file, user
from tasks.sandbox import Sandbox


@component(needs=["base"], packages=["prometheus-node-exporter"])
def node_exporter(site: Site) -> None:
    """Debian's package under a user of its own; it must see every mount, and the clock."""
    port = site.settings.node_exporter.port
    user("node_exporter")
    listen = systemd(f"--web.listen-address=:{port}")
    arguments = text_file(
        "/etc/default/prometheus-node-exporter",
        f"# written by chom; changes are overwritten\nARGS={listen}\n",
    )
    for observer in site.of_role("observability"):
        if observer.name != site.target.name:
            allow(port, site.ip_of(observer))
    service(
        "prometheus-node-exporter",
        runs=[arguments],
        ready=f"http://127.0.0.1:{port}/",
        sandbox=Sandbox(
            home=True, extra=("User=node_exporter", "Group=node_exporter", "ProtectClock=no")
        ),
    )
