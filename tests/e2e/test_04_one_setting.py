"""One changed setting changes its own file and its own service, and nothing else."""

from tests.e2e.disks import Listing, differences, listing
from tests.e2e.machines import all_units, page, redis, restarted
from tests.e2e.platform import Platform
from tests.e2e.polling import wait_for
from tests.e2e.project import changed
from tests.lab import Lab

REDIS = {"settings.redis.queue_memory_mb": 96}
INTERVAL = {"settings.prometheus.scrape_interval_s": 7}


def _configuration(lab: Lab) -> dict[str, Listing]:
    return {each.name: listing(lab.rootfs(each.name), "etc") for each in lab.machines}


def _differences(before: dict[str, Listing], after: dict[str, Listing]) -> set[tuple[str, str]]:
    return {
        (machine, path)
        for machine in before
        for path in differences(before[machine], after[machine], {})
    }


def test_memory_of_redis_restarts_redis_alone(deployed: Platform) -> None:
    lab = deployed.lab
    units, files = all_units(lab), _configuration(lab)
    record = deployed.converge(REDIS)
    assert changed(record) == {("vpsmanager", "redis"): 3}
    assert _differences(files, _configuration(lab)) == {
        ("vpsmanager", "/etc/chom/redis/laravel-queue.conf"),
        ("vpsmanager", "/etc/systemd/system/laravel-redis-queue.service.d/chom.conf"),
    }
    assert restarted(units, all_units(lab)) == {("vpsmanager", "laravel-redis-queue.service")}
    assert int(redis(lab, "vpsmanager", "config get maxmemory")) == 96 * 1024 * 1024


def test_scrape_interval_reloads_prometheus_and_is_told_to_grafana(deployed: Platform) -> None:
    lab = deployed.lab
    units, files = all_units(lab), _configuration(lab)
    record = deployed.converge(INTERVAL)
    components = ("prometheus", "alertmanager", "grafana")
    assert set(changed(record)) == {("observability", each) for each in components}
    differing = _differences(files, _configuration(lab))
    assert ("observability", "/etc/prometheus-server/prometheus.yml") in differing
    # Its rules and what waits for them follow the interval, too.
    rules = "/etc/prometheus-server/rules/"
    others = {path for _, path in differing if not path.startswith(rules)}
    assert others == {
        "/etc/prometheus-server/prometheus.yml",
        "/etc/alertmanager/alertmanager.yml",
        "/etc/grafana/provisioning/datasources/chom.yaml",
    }
    assert restarted(units, all_units(lab)) == {("observability", "grafana-server.service")}
    address = deployed.address("observability")
    url = f"http://{address}:9090/api/v1/status/config"
    wait_for("the new interval", lambda: "scrape_interval: 7s" in page(url)[1])
