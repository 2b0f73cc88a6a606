"""What Prometheus scrapes, by job: the exporters of all targets, and the applications' pages."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from configs import Page, Target
from tasks.blackbox_exporter.modules import OWN, PUBLIC
from tasks.component import Site
from tasks.redis.instances import instances


@dataclass(frozen=True)
class Scraped:
    """Where metrics come from, and what they are labelled with beside their job."""

    address: str
    labels: Mapping[str, str]


@dataclass(frozen=True)
class Job:
    """``probes``: whether the blackbox exporter is to look at the addresses, each by the module in
    its labels; else Prometheus itself scrapes them.
    """

    targets: Sequence[Scraped]
    probes: bool = False


def jobs(site: Site) -> dict[str, Job]:
    """The jobs by name, for all targets of the inventory."""
    applications = site.of_role("vpsmanager")
    shippers = {each.settings.logs.shipper: None for each in site.targets}
    return {
        "node": _exporters(site, site.targets, "node_exporter"),
        "nginx": _exporters(site, site.targets, "nginx_exporter"),
        "requests": _exporters(site, site.targets, "request_metrics"),
        "mysql": _exporters(site, applications, "mysqld_exporter"),
        "redis": Job([redis for each in applications for redis in _redis(site, each)]),
        **{name: _exporters(site, _shipped_by(name, site), "logs") for name in shippers},
        "php-fpm": Job([pool for each in applications for pool in _pools(site, each)]),
        "blackbox": Job(
            [_page(each, page) for each in site.targets if _is_probed(each) for page in each.pages],
            probes=True,
        ),
    }


def scraped_from(site: Site, target: Target) -> list[tuple[str, Scraped]]:
    """What Prometheus itself scrapes from a target, each after its job."""
    return [
        (name, each)
        for name, job in jobs(site).items()
        if not job.probes
        for each in job.targets
        if each.labels["target"] == target.name
    ]


def _is_probed(target: Target) -> bool:
    """Applications; and the observability target's own page, whose certificate may expire."""
    return target.role == "vpsmanager" or target.encrypted


def _page(target: Target, page: Page) -> Scraped:
    """A public page as its visitors get it, by a name if it has one."""
    trusted = OWN if target.settings.tls.mode == "selfsigned" else PUBLIC
    labels = {**_labels(target), "app": page.name, "__param_module": trusted}
    return Scraped(f"{page.url}{page.health}", labels)


def _pools(site: Site, target: Target) -> list[Scraped]:
    """What PHP-FPM tells of each application's pool."""
    address = f"{_reached(target, site)}:{target.settings.phpfpm_exporter.port}"
    return [
        Scraped(address, {**_labels(target), "app": name, "__metrics_path__": f"/metrics/{name}"})
        for name in target.apps
    ]


def _redis(site: Site, target: Target) -> list[Scraped]:
    """All, by one exporter, which is told by its name which one to ask."""
    address = f"{_reached(target, site)}:{target.settings.redis_exporter.port}"
    return [
        Scraped(
            address,
            {
                **_labels(target),
                "app": instance.app,
                "redis": instance.name,
                "__metrics_path__": "/scrape",
                "__param_target": instance.full_name,
            },
        )
        for instance in instances(target)
    ]


def _exporters(site: Site, targets: Iterable[Target], exporter: str) -> Job:
    return Job(
        [
            Scraped(
                f"{_reached(each, site)}:{getattr(each.settings, exporter).port}", _labels(each)
            )
            for each in targets
        ]
    )


def _shipped_by(shipper: str, site: Site) -> list[Target]:
    return [each for each in site.targets if each.settings.logs.shipper == shipper]


def _reached(target: Target, site: Site) -> str:
    """As Prometheus reaches it: itself by loopback, others by address."""
    return "127.0.0.1" if target.name == site.target.name else target.url_host


def _labels(target: Target) -> dict[str, str]:
    return {"target": target.name, "role": target.role}
