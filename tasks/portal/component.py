"""The observability target's front page: which targets there are, and that it is up."""

from tasks.component import Site, component
from tasks.nginx.sites import nginx_site
from tasks.resources import directory, file

ROOT = "/var/www/portal"


@component(needs=["base"])
def portal(site: Site) -> None:
    """A static page; Prometheus and Alertmanager themselves are not shown to the world."""
    directory(ROOT)
    file(f"{ROOT}/index.html", "index.html.j2")
    nginx_site("portal", "portal.conf.j2", root=ROOT)
