"""How other components put their sites into Nginx."""

from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from configs.secrets import Secret
from tasks.metrics.passwords import bcrypt_hash
from tasks.resources import absent, file, previous_text, secret_text
from tasks.tls import places as tls

ENABLED = "/etc/nginx/sites-enabled"
# Nginx remembers no answer: at every request a worker checks, and serves nobody meanwhile.
ROUNDS = 6


@dataclass(frozen=True)
class Guard:
    """TLS and a password, for what has neither: the paths of a certificate, its key and the users.

    ``text``: of the certificate. Nginx reads it when it is reloaded, which a changed site brings
    about, so the site changes with it.
    """

    certificate: str
    key: str
    users: str
    text: str

    @property
    def fingerprint(self) -> str:
        return sha256(self.text.encode()).hexdigest()


def nginx_site(name: str, template: str, **values: Any) -> None:
    """A site from a template of the calling component, checked together with all others.

    A template that extends ``nginx/guarded.conf.j2`` takes a ``port`` and a ``guard``; one that
    extends ``nginx/public.conf.j2`` is the target's public page, by HTTPS if that is wanted.
    """
    # Debian's example claims to be the default server, as ours does.
    absent(f"{ENABLED}/default")
    file(f"{ENABLED}/{name}.conf", template, check="nginx -t -q", tls=tls, **values)


def users_file(path: str, user: str, password: Secret, previous: str | None = None) -> None:
    """The one user of a guard; Nginx reads it at every request.

    ``previous``: a file for the user with the password of before, until ``forget_previous``.
    """
    text = f"{user}:{bcrypt_hash(password.reveal(), ROUNDS)}"
    if previous:
        previous_text(path, text, previous, group="www-data")
    secret_text(path, text, mode="640", group="www-data")


def forget_previous(previous: str) -> None:
    """Nobody is admitted with a password of before any more."""
    secret_text(previous, "", mode="640", group="www-data")
