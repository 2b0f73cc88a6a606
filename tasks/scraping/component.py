"""The observability target's proof: Prometheus has scraped every target of this run."""

import shlex

from tasks.component import Site, component
from tasks.resources import proof


@component(needs=["prometheus", "alertmanager", "node_exporter", "vpsmanager.node_exporter"])
def scraping(site: Site) -> None:
    """Asked of Prometheus itself, once the exporters of all targets of the run are up."""
    names = sorted(site.in_this_run)
    port = site.settings.prometheus.port
    query = f'count(up{{job="node",target=~"{"|".join(names)}"}} == 1) == {len(names)}'
    ask = (
        f"curl -fsS -m 5 -G --data-urlencode {shlex.quote('query=' + query)}"
        f" http://127.0.0.1:{port}/api/v1/query | grep -q '\"value\"'"
    )
    proof(
        f"Prometheus scrapes {', '.join(names)}",
        ask,
        limit_s=3 * site.settings.prometheus.scrape_interval_s + 15,
        complaint=f"Prometheus does not see all of {', '.join(names)}: look at"
        f" http://127.0.0.1:{port}/targets on {site.target.name}",
    )
