"""How other components put their sites into Nginx."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from configs import Page
from configs.secrets import Secret
from tasks.metrics.passwords import bcrypt_hash
from tasks.resources import absent, previous_text, rendered, secret_text, text_file
from tasks.sandbox import Checker, Sandbox
from tasks.tls import places as tls

ENABLED = "/etc/nginx/sites-enabled"
LOGS = "/var/log/nginx"
SANDBOX = Sandbox(
    writes=("/run", LOGS, "/var/lib/nginx"),
    # Its root process opens ports, logs and keys, and starts and stops workers of another user.
    capabilities=(
        "CAP_CHOWN",
        "CAP_DAC_OVERRIDE",
        "CAP_KILL",
        "CAP_NET_BIND_SERVICE",
        "CAP_SETGID",
        "CAP_SETUID",
    ),
    system_calls=("@chown", "@setuid"),
)
CHECKER = Checker("nginx -t -q", SANDBOX)


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

    A template that extends ``nginx/guarded.conf.j2`` takes a ``port`` and a ``guard``.
    """
    _site(name, rendered(template, **values))


def public_sites(name: str, template: str, pages: Mapping[Page, Mapping[str, Any]]) -> None:
    """The public pages of a target in one file, each from the template with its own values.

    It extends ``nginx/public.conf.j2``: HTTPS, if that is wanted. Of several pages, of which none
    answers to every name, none is shown to who asks for another one. Plain HTTP leads to HTTPS
    under a page's own names alone.
    """
    # Beside the sites, as what they refer to must be there before them.
    text_file(f"{ENABLED}/clients.conf", rendered("nginx/clients.conf.j2"), check=CHECKER)
    texts = []
    alone = len(pages) == 1
    for page, values in pages.items():
        is_default = alone or page.answers_to_all
        # By plain HTTP it leads on to its own names, and to its address if others lead there too.
        own = [name for name in page.server_name.split() if name != "_"]
        plain_names = list(dict.fromkeys([*own, page.address] if is_default else own))
        texts.append(
            rendered(
                template,
                page=page,
                is_default=is_default,
                plain_names=plain_names,
                tls=tls,
                **values,
            )
        )
    if not alone and not any(page.answers_to_all for page in pages):
        nobody = replace(next(iter(pages)), name="", server_name="_")
        texts.append(
            rendered("nginx/no_page.conf.j2", page=nobody, is_default=True, plain_names=[], tls=tls)
        )
    _site(name, "\n".join(texts))


def _site(name: str, text: str) -> None:
    # Debian's example claims to be the default server, as ours does.
    absent(f"{ENABLED}/default")
    own = "# written by chom; changes are overwritten\n"
    text_file(f"{ENABLED}/{name}.conf", own + text, check=CHECKER)


def users_file(path: str, users: Mapping[str, Secret], previous: str | None = None) -> None:
    """The users of a guard and their passwords; Nginx reads it at every request.

    ``previous``: a file for the users with the passwords of before, until ``forget_previous``.
    """
    text = "\n".join(f"{user}:{bcrypt_hash(each.reveal())}" for user, each in users.items())
    if previous:
        previous_text(path, text, previous, group="www-data")
    secret_text(path, text, mode="640", group="www-data")


def forget_previous(previous: str) -> None:
    """Nobody is admitted with a password of before any more."""
    secret_text(previous, "", mode="640", group="www-data")
