"""The observability target's proof: Prometheus has scraped every target of this run."""

import json
from collections.abc import Sequence

from tasks.component import Site, component
from tasks.prometheus.jobs import jobs
from tasks.quoting import shell
from tasks.resources import proof


def expected(site: Site) -> list[tuple[str, str]]:
    """The pairs of job and target that Prometheus must see up, of the targets of this run."""
    itself = [("prometheus", site.target.name), ("alertmanager", site.target.name)]
    scraped = [
        (name, each.labels["target"]) for name, job in jobs(site).items() for each in job.targets
    ]
    return [(job, target) for job, target in itself + scraped if target in site.in_this_run]


@component(
    needs=[
        "prometheus",
        "alertmanager",
        "node_exporter",
        "blackbox_exporter",
        "nginx_exporter",
        "vpsmanager.node_exporter",
        "vpsmanager.mysqld_exporter",
        "vpsmanager.redis_exporter",
        "vpsmanager.phpfpm_exporter",
        "vpsmanager.nginx_exporter",
        # PHP-FPM's metrics are shown by Nginx.
        "vpsmanager.php",
        "vpsmanager.nginx",
    ]
)
def scraping(site: Site) -> None:
    """Asked of Prometheus itself, once the exporters of all targets of the run are up."""
    names = ", ".join(sorted(site.in_this_run))
    port = site.settings.prometheus.port
    proof(
        f"Prometheus scrapes {names}",
        all_up(expected(site), port),
        limit_s=3 * site.settings.prometheus.scrape_interval_s + 15,
        complaint=f"Prometheus does not see all of {names}: look at"
        f" http://127.0.0.1:{port}/targets on {site.target.name}",
    )


def all_up(pairs: Sequence[tuple[str, str]], port: int) -> str:
    """A shell command that succeeds when Prometheus sees these up, and else names the others."""
    query = shell("query=count by (job, target) (up == 1)")
    # As they stand in Prometheus' answer.
    wanted = [
        shell(json.dumps({"job": job, "target": target}, separators=(",", ":")))
        for job, target in pairs
    ]
    return (
        f"up=$(curl -fsS -m 5 -G --data-urlencode {query} http://127.0.0.1:{port}/api/v1/query);"
        f' missing=; for each in {" ".join(wanted)}; do case $up in *"$each"*) ;;'
        ' *) echo "not up: $each" >&2; missing=yes;; esac; done; [ -z "$missing" ]'
    )
