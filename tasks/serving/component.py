"""The application target's proof: every application's page is served, and is well."""

from shlex import quote

from tasks.component import Site, component
from tasks.laravel.places import root
from tasks.resources import proof
from tasks.tls.places import CERTIFICATE


@component(needs=["laravel", "php", "nginx", "certificate", "releases"], tolerates=["releases"])
def serving(site: Site) -> None:
    """Asked of each application itself, the way a visitor would."""
    for page in site.target.pages:
        # By its public name, at this machine, and with this very certificate.
        trusted = f"--cacert {CERTIFICATE} " if page.encrypted else ""
        url = quote(f"{page.own_url}{page.health}")
        proof(
            f"{page.name} serves its page",
            f"curl -fsS -m 10 -o /dev/null --connect-to ::127.0.0.1: {trusted}{url}",
            limit_s=20,
            alone=True,
            complaint=f"{page.url}{page.health} does not answer 200; the application's log is"
            f" {root(page.name)}/shared/storage/logs/laravel.log",
        )
