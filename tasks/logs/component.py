"""Logs: what each target's shipper shows to Loki, and how it knows that it is Loki."""

from configs import Target
from configs.secret_names import of_target
from configs.secrets import Needed, Secret
from tasks.component import Site, component
from tasks.metrics.certificate import certificate
from tasks.nginx.sites import Guard
from tasks.resources import former_secret, has_text, secret, secret_text, text_file

KEY = Needed("LOGS_TLS_KEY", "Loki's TLS key", "private_key")
# All targets shared it in earlier versions, and logged in as this user.
SHARED_PASSWORD = Needed("LOGS_PASSWORD", "", "password", retired=True)
SHARED_USER = "shipper"

SERVER_NAME = "logs.chom.internal"
FOLDER = "/etc/chom/logs"
CERTIFICATE = f"{FOLDER}/tls.crt"
PASSWORD_FILE = f"{FOLDER}/password"
KEY_FILE = f"{FOLDER}/tls.key"
USERS = f"{FOLDER}/htpasswd"
# Until every shipper has the new password: one that is refused when it ends loses what it holds.
PREVIOUS_USERS = f"{FOLDER}/htpasswd.previous"


def password(target: Target) -> Needed:
    """Password that the shipper of a target shows; its user is the target's name."""
    what = f"what the log shipper of {target.name} shows to Loki"
    return Needed(of_target("LOGS_PASSWORD", target.name), what, "password")


def secrets_of(target: Target) -> list[Needed]:
    """Secrets of the shipper of a target."""
    return [password(target), SHARED_PASSWORD]


def login_of(site: Site) -> tuple[str, Secret]:
    """User and password of the shipper of the site's target.

    A target keeps those of earlier versions until the observability targets, which must know the
    new ones, take part in a run as well.
    """
    shared = former_secret(SHARED_PASSWORD)
    waits = shared and not site.runs_with_observers(site.target)
    if shared and waits and has_text(PASSWORD_FILE, shared.reveal()):
        return SHARED_USER, shared
    return site.target.name, secret(password(site.target))


def guard() -> Guard:
    """What Nginx protects Loki with, for components that declare KEY."""
    return Guard(CERTIFICATE, KEY_FILE, USERS, certificate(secret(KEY).reveal(), SERVER_NAME))


# Python is for the shippers' checkpoint; among their own packages it would count as one with data.
@component(
    needs=["base"],
    packages=["python3"],
    secrets=lambda target: [*secrets_of(target), KEY],
)
def logs(site: Site) -> None:
    """Files of root's; the key stays on the observability target."""
    text_file(CERTIFICATE, guard().text)
    secret_text(PASSWORD_FILE, login_of(site)[1].reveal())
    if site.target.role == "observability":
        secret_text(KEY_FILE, secret(KEY).reveal())
