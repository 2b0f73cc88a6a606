"""The application target's proof: its page is served, and it reached MariaDB and Redis."""

from shlex import quote

from tasks.component import Site, component
from tasks.resources import proof
from tasks.tls.places import CERTIFICATE


@component(needs=["laravel", "php", "nginx", "certificate"])
def serving(site: Site) -> None:
    """Asked of the application itself, the way a visitor would."""
    name, target = site.settings.laravel.name, site.target
    url = "http://127.0.0.1/health"
    if target.encrypted:
        # By its public name, at this machine, and with this very certificate.
        url = (
            f"--connect-to ::127.0.0.1: --cacert {CERTIFICATE} {quote(f'{target.page_url}/health')}"
        )
    proof(
        f"{name} serves its page, with MariaDB and Redis",
        f"curl -fsS -m 10 -o /dev/null {url}",
        limit_s=20,
        complaint=f"{target.page_url}/health does not answer 200: it names what the"
        f" application could not reach; its log is /var/www/{name}/shared/storage/logs/laravel.log",
    )
