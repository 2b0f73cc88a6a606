"""The observability target's proof: Prometheus has scraped every target of this run."""

from tasks.asking import series_found
from tasks.component import Site, component
from tasks.prometheus.jobs import jobs
from tasks.resources import proof


def expected(site: Site) -> list[tuple[str, str]]:
    """The pairs of job and target that Prometheus must see up, of the targets of this run."""
    itself = [(job, site.target.name) for job in ("prometheus", "alertmanager", "loki")]
    scraped = [
        (name, each.labels["target"]) for name, job in jobs(site).items() for each in job.targets
    ]
    return [(job, target) for job, target in itself + scraped if target in site.in_this_run]


@component(
    needs=[
        "readiness",
        "vpsmanager.readiness",
        "prometheus",
        "alertmanager",
        "loki",
        "log_shipper",
        "node_exporter",
        "blackbox_exporter",
        "nginx_exporter",
        "request_metrics",
        "vpsmanager.log_shipper",
        "vpsmanager.node_exporter",
        "vpsmanager.mysqld_exporter",
        "vpsmanager.redis_exporter",
        "vpsmanager.phpfpm_exporter",
        "vpsmanager.nginx_exporter",
        "vpsmanager.request_metrics",
        # PHP-FPM's metrics are shown by Nginx.
        "vpsmanager.php",
        "vpsmanager.nginx",
    ]
)
def scraping(site: Site) -> None:
    """Asked of Prometheus itself, once the exporters of all targets of the run are up."""
    names = ", ".join(sorted(site.in_this_run))
    port = site.settings.prometheus.port
    interval_s = site.settings.prometheus.scrape_interval_s
    proof(
        f"Prometheus scrapes {names}",
        series_found(
            f"http://127.0.0.1:{port}/api/v1/query",
            f"count by (job, target) (last_over_time(up[{2 * interval_s}s]) == 1)",
            [{"job": job, "target": target} for job, target in expected(site)],
            missing="not up",
        ),
        limit_s=3 * interval_s + 15,
        complaint=f"Prometheus does not see all of {names}: look at"
        f" http://127.0.0.1:{port}/targets on {site.target.name}",
    )
