"""The observability target's proof: Prometheus has scraped every target of this run."""

from facts.services import STARTED_WITH
from tasks.asking import series_found
from tasks.component import Site, component
from tasks.operations.waiting import Hurry
from tasks.prometheus.component import CONFIG, DATA
from tasks.prometheus.jobs import jobs
from tasks.resources import proof

FILE = f"{CONFIG}/prometheus.yml"
# What Prometheus has read, as its unit notes it.
STAMP = f"{STARTED_WITH}/prometheus.service.reads"


def expected(site: Site) -> list[tuple[str, str]]:
    """The pairs of job and target that Prometheus must see up, of the targets of this run."""
    itself = [(job, site.target.name) for job in ("prometheus", "alertmanager", "loki")]
    scraped = [
        (name, each.labels["target"]) for name, job in jobs(site).items() for each in job.targets
    ]
    return [(job, target) for job, target in itself + scraped if target in site.in_this_run]


@component(
    needs=[
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
        hurry=scrapes_each_second(interval_s),
    )


def scrapes_each_second(interval_s: int) -> Hurry:
    """A new Prometheus looks at its targets each second until it has seen them, not each interval.

    It then takes them for gone until their next turn, which whoever has just begun can bear; one
    that has written its first block of data is left alone. If this is cut off, the next run finds
    another file, and no sign of what Prometheus has read.
    """
    aside = f"{STAMP}.aside"
    is_new = f'[ -z "$(ls -d {DATA}/01* 2>/dev/null)" ]'
    return Hurry(
        begin=f"rm -f {aside}; if {is_new}; then mv {STAMP} {aside}; {_scrape_each(1)}; fi",
        end=f"[ ! -e {aside} ] || {{ {_scrape_each(interval_s)} && mv {aside} {STAMP}; }}",
    )


def _scrape_each(seconds: int) -> str:
    line = f"s/^  scrape_interval: .*/  scrape_interval: {seconds}s/"
    return f"sed -i '{line}' {FILE} && systemctl reload prometheus"
