"""The observability target's front page: a link to Grafana, and proof that it is up."""

from tasks.component import Site, component
from tasks.grafana.places import PATH as GRAFANA_PATH
from tasks.nginx.sites import public_sites
from tasks.resources import directory, file

ROOT = "/var/www/portal"


@component(needs=["base", "tls"])
def portal(site: Site) -> None:
    """A static page that tells strangers nothing, with Grafana and its login below it.

    Which targets there are is in Grafana; Prometheus and Alertmanager are shown to nobody.
    """
    directory(ROOT)
    file(f"{ROOT}/index.html", "index.html.j2", grafana=GRAFANA_PATH)
    [page] = site.target.pages
    public_sites("portal", "portal.conf.j2", {page: {"root": ROOT, "grafana": GRAFANA_PATH}})
