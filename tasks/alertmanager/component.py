"""Alertmanager: takes Prometheus' alerts; no receiver is configured yet, so it only shows them."""

from tasks.component import Site, component
from tasks.prometheus.component import listen_address
from tasks.resources import allow, directory, file, service, user
from tasks.sandbox import Sandbox

DATA = "/var/lib/alertmanager"
CONFIG = "/etc/alertmanager"


@component(needs=["base"], packages=["prometheus-alertmanager"])
def alertmanager(site: Site) -> None:
    """Debian's package under a user of its own, checked by its own amtool, without a cluster."""
    port = site.settings.alertmanager.port
    user("alertmanager", home=DATA)
    directory(DATA, owner="alertmanager", mode="750")
    directory(CONFIG)
    config = file(
        f"{CONFIG}/alertmanager.yml",
        "alertmanager.yml.j2",
        owner="root",
        group="alertmanager",
        mode="640",
        check=f"amtool check-config {CONFIG}/alertmanager.yml",
    )
    arguments = file(
        "/etc/default/prometheus-alertmanager",
        "arguments.j2",
        config=config.path,
        data=DATA,
        listen=f"{listen_address(site)}:{port}",
    )
    for network in site.settings.network.admin_networks:
        allow(port, str(network))
    service(
        "prometheus-alertmanager",
        runs=[arguments],
        reads=[config],
        ready=f"http://127.0.0.1:{port}/-/ready",
        sandbox=Sandbox(writes=(DATA,), extra=("User=alertmanager", "Group=alertmanager")),
    )
