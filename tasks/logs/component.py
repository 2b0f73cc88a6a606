"""Logs: what the shippers of all targets show to Loki, and how they know that it is Loki."""

from configs.secrets import Needed
from tasks.component import Site, component
from tasks.metrics.certificate import certificate
from tasks.nginx.sites import Guard, users_file
from tasks.resources import secret, secret_text, text_file

PASSWORD = Needed("LOGS_PASSWORD", "what log shippers show to Loki", "password")
KEY = Needed("LOGS_TLS_KEY", "Loki's TLS key", "private_key")

USER = "shipper"
SERVER_NAME = "logs.chom.internal"
FOLDER = "/etc/chom/logs"
CERTIFICATE = f"{FOLDER}/tls.crt"
PASSWORD_FILE = f"{FOLDER}/password"
KEY_FILE = f"{FOLDER}/tls.key"
USERS = f"{FOLDER}/htpasswd"
# Until every shipper has the new password: one that is refused when it ends loses what it holds.
PREVIOUS_USERS = f"{FOLDER}/htpasswd.previous"


def guard() -> Guard:
    """What Nginx protects Loki with, for who declares KEY."""
    return Guard(CERTIFICATE, KEY_FILE, USERS, certificate(secret(KEY).reveal(), SERVER_NAME))


# Python is for the shippers' checkpoint; among their own packages it would count as one with data.
@component(needs=["base"], packages=["python3"], secrets=[PASSWORD, KEY])
def logs(site: Site) -> None:
    """Files of root's; the key stays on the observability target."""
    text_file(CERTIFICATE, guard().text)
    secret_text(PASSWORD_FILE, secret(PASSWORD).reveal())
    if site.target.role == "observability":
        secret_text(KEY_FILE, secret(KEY).reveal())
        users_file(USERS, USER, secret(PASSWORD), PREVIOUS_USERS)
