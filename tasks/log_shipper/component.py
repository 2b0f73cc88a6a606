"""log_shipper: sends the target's logs to Loki, by Alloy or by Promtail."""

from dataclasses import dataclass

from configs import Target
from tasks import sizing
from tasks.component import Site, component
from tasks.log_shipper.sources import JOURNAL, sources
from tasks.logs import component as logs
from tasks.loki.component import PUSH
from tasks.metrics.component import KEY, guard
from tasks.metrics.exporter import admit_observers
from tasks.nginx.sites import nginx_site
from tasks.quoting import systemd
from tasks.resources import (
    absent,
    credential,
    directory,
    file,
    no_service,
    service,
    text_file,
)
from tasks.sandbox import Sandbox
from tasks.vendors import grafana, pinned

# Nginx shows the metrics page of it to Prometheus.
PAGE = "127.0.0.1:12345"


@dataclass(frozen=True)
class Shipper:
    """What differs. ``data``: where it keeps what was read how far."""

    config: str
    check: str
    ready: str
    data: str


SHIPPERS = {
    "alloy": Shipper(
        "/etc/alloy/config.alloy", "alloy validate", f"http://{PAGE}/-/ready", "/var/lib/alloy"
    ),
    "promtail": Shipper(
        "/etc/promtail/config.yml",
        "promtail -check-syntax -config.file",
        f"http://{PAGE}/ready",
        "/var/lib/promtail",
    ),
}


@component(
    needs=["base", "metrics", "logs"],
    packages=lambda site: [pinned(site.settings.logs.shipper, site.settings.logs.version)],
    repositories=lambda site: [grafana(site)],
    secrets=[logs.PASSWORD, logs.KEY, KEY],
    data=lambda site: [SHIPPERS[site.settings.logs.shipper].data],
)
def log_shipper(site: Site) -> None:
    """The other shipper, if it was there before, is stopped; its package goes at the end."""
    name = site.settings.logs.shipper
    shipper = SHIPPERS[name]
    for other in SHIPPERS.keys() - {name}:
        no_service(other)
        absent(SHIPPERS[other].config)
    directory(shipper.data, owner=name, group="root", mode="700")
    config = file(
        shipper.config,
        f"{name}.j2",
        check=f"{shipper.check} {shipper.config}",
        sources=sources(site),
        rules=JOURNAL,
        urls=[_push_url(site, each) for each in site.of_role("observability")],
        logs=logs,
        password_file=credential("logs_password", name),
        page=PAGE,
        data=shipper.data,
    )
    port = site.settings.logs.port
    admit_observers(site, port)
    nginx_site("log_shipper", "site.conf.j2", port=port, guard=guard(), page=PAGE)
    service(
        name,
        runs=[config, *_arguments(name), logs.CERTIFICATE],
        ready=shipper.ready,
        credentials={"logs_password": logs.PASSWORD_FILE},
        sandbox=Sandbox(
            writes=(shipper.data,),
            extra=(
                "SupplementaryGroups=adm systemd-journal",
                # Promtail does not end while its Loki is away.
                "TimeoutStopSec=20",
                f"Environment=GOMEMLIMIT={sizing.shipper_memory_mb(site.hardware)}MiB",
            ),
        ),
    )


def _push_url(site: Site, loki: Target) -> str:
    """Where a Loki takes what is pushed: itself by loopback, others by address."""
    host = "127.0.0.1" if loki.name == site.target.name else loki.url_host
    return f"https://{host}:{loki.settings.loki.push_port}{PUSH}"


def _arguments(name: str) -> list[str]:
    """The file with what Alloy is to be told on its command line; Promtail has none."""
    if name != "alloy":
        return []
    text = (
        "# written by chom; changes are overwritten\n"
        f"CONFIG_FILE={systemd(SHIPPERS[name].config)}\n"
        f"CUSTOM_ARGS={systemd(f'--server.http.listen-addr={PAGE} --disable-reporting')}\n"
        "RESTART_ON_UPGRADE=true\n"
    )
    return [text_file("/etc/default/alloy", text)]
