"""Alertmanager: takes Prometheus' alerts, and mails them where that is configured."""

from configs import Target
from configs.secrets import Needed
from tasks.component import Site, component
from tasks.prometheus.alerting import Timing
from tasks.prometheus.component import listen_address
from tasks.resources import (
    absent,
    allow,
    credential,
    directory,
    file,
    secret,
    secret_text,
    service,
    user,
)
from tasks.sandbox import Checker, Sandbox

DATA = "/var/lib/alertmanager"
USER = "alertmanager"
SANDBOX = Sandbox(writes=(DATA,), extra=(f"User={USER}", f"Group={USER}"))
CONFIG = "/etc/alertmanager"
PASSWORD = f"{CONFIG}/smtp_password"


def smtp_password(target: Target) -> list[Needed]:
    """The mail server's password, where it wants a login."""
    smtp = target.settings.smtp
    if not (smtp.host and smtp.username):
        return []
    return [Needed("SMTP_PASSWORD", f"the password of {smtp.username} at {smtp.host}")]


@component(needs=["base"], packages=["prometheus-alertmanager"], secrets=smtp_password, data=[DATA])
def alertmanager(site: Site) -> None:
    """Debian's package under a user of its own, checked by its own amtool, without a cluster."""
    unit = "prometheus-alertmanager"
    port = site.settings.alertmanager.port
    credentials = {}
    user(USER, home=DATA)
    directory(DATA, owner=USER, mode="750")
    directory(CONFIG)
    for needed in smtp_password(site.target):
        credentials = {"smtp_password": secret_text(PASSWORD, secret(needed).reveal())}
    if not credentials:
        absent(PASSWORD)
    config = file(
        f"{CONFIG}/alertmanager.yml",
        "alertmanager.yml.j2",
        owner="root",
        group=USER,
        mode="640",
        check=Checker(f"amtool check-config {CONFIG}/alertmanager.yml", SANDBOX, USER),
        password_file=credential("smtp_password", unit),
        timing=Timing.of(site.settings),
        watchdog_url=site.settings.alertmanager.watchdog_url,
    )
    arguments = file(
        "/etc/default/prometheus-alertmanager",
        "arguments.j2",
        config=config,
        data=DATA,
        listen=f"{listen_address(site)}:{port}",
    )
    for network in site.settings.network.admin_networks:
        allow(port, str(network))
    service(
        unit,
        runs=[arguments],
        reads=[config],
        ready=f"http://127.0.0.1:{port}/-/ready",
        sandbox=SANDBOX,
        credentials=credentials,
    )
