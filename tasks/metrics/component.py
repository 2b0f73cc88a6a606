"""Metrics: what exporters show to Prometheus alone, under a key and a password of their target."""

import hmac
from dataclasses import dataclass

from pyinfra import host

from configs import Target
from configs.secret_names import of_target
from configs.secrets import Needed, Secret
from facts.certificates import ShownCertificate
from tasks.component import Site, component
from tasks.metrics.certificate import certificate, fingerprint
from tasks.metrics.passwords import bcrypt_hash
from tasks.nginx.sites import Guard, users_file
from tasks.resources import former_secret, has_text, secret, secret_file, secret_text, text_file

# All targets shared these in earlier versions.
SHARED_PASSWORD = Needed("METRICS_PASSWORD", "", "password", retired=True)
SHARED_KEY = Needed("METRICS_TLS_KEY", "", "private_key", retired=True)
SHARED_SERVER_NAME = "metrics.chom.internal"

USER = "prometheus"
FOLDER = "/etc/chom/metrics"
CERTIFICATE = f"{FOLDER}/tls.crt"
USERS = f"{FOLDER}/htpasswd"
# A relative path in web.yml starts where it lies: beside the other credentials of the unit.
CREDENTIALS = {
    "web.yml": f"{FOLDER}/web.yml",
    "tls.crt": CERTIFICATE,
    "tls.key": f"{FOLDER}/tls.key",
}


def secrets_of(target: Target) -> list[Needed]:
    """Secrets of the exporters of a target."""
    return [_password(target), _key(target), SHARED_PASSWORD, SHARED_KEY]


@dataclass(frozen=True)
class Login:
    """How Prometheus and the exporters of one target know each other."""

    password: Secret
    key: Secret
    server_name: str

    @property
    def certificate(self) -> str:
        """PEM of the certificate that the exporters present."""
        return certificate(self.key.reveal(), self.server_name)

    @property
    def certificate_name(self) -> str:
        """A file name for the certificate; another certificate has another name."""
        return f"{self._target}-{fingerprint(self.certificate)[:16]}.crt"

    @property
    def password_name(self) -> str:
        """A file name for the password; another password has another name.

        Who does not have the key cannot try passwords on it.
        """
        tag = hmac.new(self.key.reveal().encode(), self.password.reveal().encode(), "sha256")
        return f"{self._target}-{tag.hexdigest()[:16]}.password"

    @property
    def _target(self) -> str:
        return self.server_name.removesuffix(f".{SHARED_SERVER_NAME}")


def login_of(site: Site, target: Target) -> Login:
    """Login of a target's exporters; the component must have declared its secrets."""
    if shared := _shared_login(site, target):
        return shared
    name = f"{target.name}.{SHARED_SERVER_NAME}"
    return Login(secret(_password(target)), secret(_key(target)), name)


def guard(site: Site) -> Guard:
    """The same protection by Nginx, for components that declare ``secrets_of``."""
    login = login_of(site, site.target)
    return Guard(CERTIFICATE, CREDENTIALS["tls.key"], USERS, login.certificate)


@component(needs=["base"], secrets=secrets_of)
def metrics(site: Site) -> None:
    """Files of root's; each exporter gets its own view of them as systemd credentials."""
    login = login_of(site, site.target)
    text_file(CERTIFICATE, login.certificate)
    secret_text(CREDENTIALS["tls.key"], login.key.reveal())
    secret_file(
        CREDENTIALS["web.yml"],
        "web.yml.j2",
        mode="600",
        user=USER,
        hash=bcrypt_hash(login.password.reveal()),
    )
    users_file(USERS, {USER: login.password})


def _password(target: Target) -> Needed:
    what = f"what Prometheus shows to the exporters of {target.name}"
    return Needed(of_target("METRICS_PASSWORD", target.name), what, "password")


def _key(target: Target) -> Needed:
    what = f"the TLS key of the exporters of {target.name}"
    return Needed(of_target("METRICS_TLS_KEY", target.name), what, "private_key")


def _shared_login(site: Site, target: Target) -> Login | None:
    """Login of earlier versions, while a target still has it.

    A target gets its own in the first run in which the observability targets take part as well:
    with ``--limit`` only one side would change, and Prometheus would be refused until the next run.
    """
    password, key = former_secret(SHARED_PASSWORD), former_secret(SHARED_KEY)
    if not password or not key or site.runs_with_observers(target):
        return None
    login = Login(password, key, SHARED_SERVER_NAME)
    if target.name == site.target.name:
        is_shared = has_text(CERTIFICATE, login.certificate)
    else:
        shown = host.get_fact(
            ShownCertificate, address=site.ip_of(target), port=target.settings.node_exporter.port
        )
        is_shared = shown == fingerprint(login.certificate)
    return login if is_shared else None
