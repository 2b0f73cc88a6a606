"""phpfpm_exporter: what PHP-FPM tells of its pools, for the observability target alone."""

from tasks.component import Site, component
from tasks.laravel.places import STATUS_PATH, status_socket
from tasks.metrics.component import guard, secrets_of
from tasks.metrics.exporter import admit_observers
from tasks.nginx.sites import nginx_site


@component(needs=["base", "metrics", "laravel"], secrets=secrets_of)
def phpfpm_exporter(site: Site) -> None:
    """No process: PHP-FPM itself writes metrics, and Nginx lends it TLS and the password."""
    port = site.settings.phpfpm_exporter.port
    admit_observers(site, port)
    nginx_site(
        "phpfpm_exporter",
        "site.conf.j2",
        port=port,
        guard=guard(site),
        status_path=STATUS_PATH,
        sockets={
            name: status_socket(name, site.target.php_of(app))
            for name, app in site.target.apps.items()
        },
    )
