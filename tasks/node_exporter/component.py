"""node_exporter: the machine's own metrics, for the observability target alone."""

from tasks.component import Site, component
from tasks.metrics.component import CREDENTIALS
from tasks.operations.services import answers
from tasks.quoting import systemd
from tasks.resources import allow, credential, service, text_file, user
from tasks.sandbox import Sandbox


@component(needs=["base", "metrics"], packages=["prometheus-node-exporter"])
def node_exporter(site: Site) -> None:
    """Debian's package under a user of its own; it must see every mount, and the clock."""
    port = site.settings.node_exporter.port
    unit = "prometheus-node-exporter"
    user("node_exporter")
    web = credential("web.yml", unit)
    arguments = systemd(f"--web.listen-address=:{port} --web.config.file={web}")
    arguments_file = text_file(
        f"/etc/default/{unit}",
        f"# written by chom; changes are overwritten\nARGS={arguments}\n",
    )
    for observer in site.of_role("observability"):
        if observer.name != site.target.name:
            allow(port, site.ip_of(observer))
    service(
        unit,
        runs=[arguments_file],
        # Whoever has no password is refused, and that is an answer.
        ready=answers(f"{unit}.service", f"https://127.0.0.1:{port}/", any_status=True),
        credentials=CREDENTIALS,
        sandbox=Sandbox(
            home=True, extra=("User=node_exporter", "Group=node_exporter", "ProtectClock=no")
        ),
    )
