"""TLS of the public page: a certificate of our own, which Nginx can start with in any case."""

from configs import Target
from configs.secrets import Needed
from tasks.component import Site, component
from tasks.resources import directory, link, secret, secret_text, text_file
from tasks.tls.own import own_certificate
from tasks.tls.places import CERTBOT, FOLDER, LIVE, OBTAINED, OWN, WEBROOT


def key(target: Target) -> Needed:
    """Of each target alone: who breaks into one of them cannot pretend to be another."""
    name = target.name.replace("-", "_").upper()
    return Needed(f"PAGE_TLS_KEY_{name}", f"the TLS key of {target.name}'s page", "tls_key")


def certificate_of(site: Site, target: Target) -> str:
    """The PEM of what ``target``, any one of the inventory with TLS, shows of its own."""
    wildcards = [name for page in target.pages for name in page.wildcards]
    names = (*target.host_names, *wildcards, target.address)
    return own_certificate(site.secrets[key(target).name].reveal(), tuple(dict.fromkeys(names)))


@component(
    needs=["base"],
    packages=lambda site: ["certbot"] if site.settings.tls.mode == "letsencrypt" else [],
    secrets=lambda target: [key(target)] if target.encrypted else [],
    data=lambda site: [CERTBOT] if site.settings.tls.mode == "letsencrypt" else [],
)
def tls(site: Site) -> None:
    """Before the sites, which name these files; what comes from outside, comes after Nginx."""
    if not site.target.encrypted:
        return
    directory(FOLDER)
    directory(OWN)
    secret_text(f"{OWN}/privkey.pem", secret(key(site.target)).reveal())
    text_file(f"{OWN}/fullchain.pem", certificate_of(site, site.target))
    if site.settings.tls.mode == "letsencrypt":
        directory(WEBROOT)
        link(LIVE, OWN, unless=OBTAINED)
    else:
        link(LIVE, OWN)
