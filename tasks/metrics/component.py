"""Metrics: what exporters show to Prometheus alone, under a common key and password."""

from configs.secrets import Needed
from tasks.component import Site, component
from tasks.metrics.certificate import certificate
from tasks.metrics.passwords import bcrypt_hash
from tasks.nginx.sites import Guard, users_file
from tasks.resources import secret, secret_file, secret_text, text_file

PASSWORD = Needed("METRICS_PASSWORD", "what Prometheus shows to every exporter", "password")
KEY = Needed("METRICS_TLS_KEY", "the exporters' TLS key", "private_key")

USER = "prometheus"
SERVER_NAME = "metrics.chom.internal"
FOLDER = "/etc/chom/metrics"
CERTIFICATE = f"{FOLDER}/tls.crt"
PASSWORD_FILE = f"{FOLDER}/password"
USERS = f"{FOLDER}/htpasswd"
# A relative path in web.yml starts where it lies: beside the other credentials of the unit.
CREDENTIALS = {
    "web.yml": f"{FOLDER}/web.yml",
    "tls.crt": CERTIFICATE,
    "tls.key": f"{FOLDER}/tls.key",
}


def guard() -> Guard:
    """The same protection by Nginx, for who declares KEY and has none of its own."""
    text = certificate(secret(KEY).reveal(), SERVER_NAME)
    return Guard(CERTIFICATE, CREDENTIALS["tls.key"], USERS, text)


@component(needs=["base"], secrets=[PASSWORD, KEY])
def metrics(site: Site) -> None:
    """Files of root's; each exporter gets its own view of them as systemd credentials."""
    text_file(CERTIFICATE, guard().text)
    secret_text(CREDENTIALS["tls.key"], secret(KEY).reveal())
    secret_file(
        CREDENTIALS["web.yml"],
        "web.yml.j2",
        mode="600",
        user=USER,
        hash=bcrypt_hash(secret(PASSWORD).reveal()),
    )
    users_file(USERS, USER, secret(PASSWORD))
    if site.target.role == "observability":
        secret_text(PASSWORD_FILE, secret(PASSWORD).reveal())
