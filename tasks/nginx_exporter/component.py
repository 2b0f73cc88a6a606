"""nginx_exporter: the web server's connections and requests, for the observability target alone."""

from tasks.component import Site, component
from tasks.metrics.exporter import admit_observers, exporter, toolkit
from tasks.nginx.sites import nginx_site

STATUS = "127.0.0.1:8113"


@component(needs=["base", "metrics"], packages=["prometheus-nginx-exporter"])
def nginx_exporter(site: Site) -> None:
    """Asks a page of Nginx' own; it stays up, and tells so, when Nginx does not."""
    port = site.settings.nginx_exporter.port
    nginx_site("status", "status.conf.j2", listen=STATUS)
    admit_observers(site, port)
    exporter(site, port, [*toolkit(port), f"--nginx.scrape-uri=http://{STATUS}/"])
