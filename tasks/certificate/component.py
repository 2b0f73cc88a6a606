"""The certificate that the public page shows: asked of Let's Encrypt, and in use."""

from tasks.component import Site, component, noted, stage
from tasks.operations.certificates import forget_certificate, obtain_certificate, present
from tasks.operations.https import close_https
from tasks.resources import link, text_file, timer
from tasks.tls.places import CERTIFICATE, FOLDER, HOOK, LIVE, NAME, OBTAINED, OWN, WEBROOT
from tasks.upcoming import Upcoming

RELOADS = "#!/bin/sh\n# written by chom; changes are overwritten\nexec systemctl reload nginx\n"


@component(needs=["base", "tls", "nginx"])
def certificate(site: Site) -> None:
    """After Nginx, which proves the names to Let's Encrypt, and goes on serving meanwhile.

    Who no longer wants it is rid of all: what nobody shows must not be renewed.
    """
    settings, names = site.settings.tls, site.target.host_names
    upcoming = []
    if settings.mode == "letsencrypt":
        with noted(f"Certificate for {', '.join(names)}") as label:
            done = obtain_certificate(
                name=label,
                lineage=NAME,
                host_names=names,
                email=settings.email,
                directory_url=settings.acme_url,
                webroot=WEBROOT,
            )
        upcoming.append(Upcoming(label, done))
        link(LIVE, OBTAINED)
        text_file(HOOK, RELOADS, mode="755")
        timer("certbot")
    if site.target.encrypted:
        with noted("Nginx shows the certificate") as label:
            upcoming += [stage().written[path] for path in (LIVE, f"{OWN}/fullchain.pem")]
            present(name=label, certificate=CERTIFICATE, upcoming=upcoming)
    if settings.mode != "letsencrypt":
        with noted("No certificate of Let's Encrypt") as label:
            forget_certificate(name=label, lineage=NAME, hook=HOOK)
    if not site.target.encrypted:
        with noted("No HTTPS") as label:
            close_https(name=label, folder=FOLDER)
