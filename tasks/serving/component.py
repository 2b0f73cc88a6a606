"""The application target's proof: its page is served, and it reached MariaDB and Redis."""

from tasks.component import Site, component
from tasks.resources import proof


@component(needs=["laravel", "php", "nginx"])
def serving(site: Site) -> None:
    """Asked of the application itself, the way a visitor would."""
    name = site.settings.laravel.name
    proof(
        f"{name} serves its page, with MariaDB and Redis",
        "curl -fsS -m 10 -o /dev/null http://127.0.0.1/health",
        limit_s=20,
        complaint=f"http://{site.target.address}/health does not answer 200: it names what the"
        f" application could not reach; its log is /var/www/{name}/shared/storage/logs/laravel.log",
    )
