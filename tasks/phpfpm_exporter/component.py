"""phpfpm_exporter: what PHP-FPM tells of its pool, for the observability target alone."""

from hashlib import sha256

from tasks.component import Site, component
from tasks.laravel.component import STATUS_PATH, status_socket
from tasks.metrics.certificate import certificate
from tasks.metrics.component import CERTIFICATE, CREDENTIALS, KEY, PASSWORD, USER
from tasks.metrics.exporter import admit_observers
from tasks.metrics.passwords import bcrypt_hash
from tasks.nginx.sites import nginx_site
from tasks.resources import secret, secret_file

USERS = "/etc/chom/metrics/htpasswd"
# Nginx remembers no answer: at every scrape a worker checks, and serves nobody meanwhile.
ROUNDS = 6


@component(needs=["base", "metrics", "laravel"], secrets=[KEY, PASSWORD])
def phpfpm_exporter(site: Site) -> None:
    """No process: PHP-FPM itself writes metrics, and Nginx lends it TLS and the password."""
    port = site.settings.phpfpm_exporter.port
    admit_observers(site, port)
    secret_file(
        USERS,
        "htpasswd.j2",
        group="www-data",
        user=USER,
        hash=bcrypt_hash(secret(PASSWORD).reveal(), ROUNDS),
    )
    nginx_site(
        "phpfpm_exporter",
        "site.conf.j2",
        port=port,
        certificate=CERTIFICATE,
        # Nginx reads it when it is reloaded, which a changed site brings about.
        fingerprint=sha256(certificate(secret(KEY).reveal()).encode()).hexdigest(),
        key=CREDENTIALS["tls.key"],
        users=USERS,
        status_path=STATUS_PATH,
        socket=status_socket(site),
    )
