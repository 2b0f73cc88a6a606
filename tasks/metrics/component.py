"""Metrics: what exporters show to Prometheus alone, under a common key and password."""

from configs.secrets import Needed
from tasks.component import Site, component
from tasks.metrics.certificate import NAME, certificate
from tasks.metrics.passwords import bcrypt_hash
from tasks.resources import secret, secret_file, secret_text, text_file

PASSWORD = Needed("METRICS_PASSWORD", "what Prometheus shows to every exporter", "password")
KEY = Needed("METRICS_TLS_KEY", "the exporters' TLS key", "private_key")

USER = "prometheus"
SERVER_NAME = NAME
FOLDER = "/etc/chom/metrics"
CERTIFICATE = f"{FOLDER}/tls.crt"
PASSWORD_FILE = f"{FOLDER}/password"
# A relative path in web.yml starts where it lies: beside the other credentials of the unit.
CREDENTIALS = {
    "web.yml": f"{FOLDER}/web.yml",
    "tls.crt": CERTIFICATE,
    "tls.key": f"{FOLDER}/tls.key",
}


@component(needs=["base"], secrets=[PASSWORD, KEY])
def metrics(site: Site) -> None:
    """Files of root's; each exporter gets its own view of them as systemd credentials."""
    text_file(CERTIFICATE, certificate(secret(KEY).reveal()))
    secret_text(CREDENTIALS["tls.key"], secret(KEY).reveal())
    secret_file(
        CREDENTIALS["web.yml"],
        "web.yml.j2",
        mode="600",
        user=USER,
        hash=bcrypt_hash(secret(PASSWORD).reveal()),
    )
    if site.target.role == "observability":
        secret_text(PASSWORD_FILE, secret(PASSWORD).reveal())
