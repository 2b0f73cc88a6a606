"""The stacks: what each role runs, in order. A new component is a folder and a word here."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from configs import Target
from configs.secrets import Needed
from tasks.alertmanager.component import alertmanager
from tasks.app_metrics.component import app_metrics
from tasks.base.component import base
from tasks.blackbox_exporter.component import blackbox_exporter
from tasks.certificate.component import certificate
from tasks.component import Component, Site
from tasks.grafana.annotations import announce
from tasks.grafana.component import grafana
from tasks.grafana.places import PATH as GRAFANA_PATH
from tasks.grafana_access.component import grafana_access
from tasks.laravel.component import laravel
from tasks.log_shipper.component import log_shipper
from tasks.logging.component import logging
from tasks.logs.component import logs
from tasks.loki.component import loki
from tasks.mariadb.component import mariadb
from tasks.metrics.component import metrics
from tasks.mysqld_exporter.component import mysqld_exporter
from tasks.nginx.component import nginx
from tasks.nginx_exporter.component import nginx_exporter
from tasks.node_exporter.component import node_exporter
from tasks.php.component import php
from tasks.php_leftovers.component import php_leftovers
from tasks.phpfpm_exporter.component import phpfpm_exporter
from tasks.portal.component import portal
from tasks.prometheus.component import prometheus
from tasks.prometheus.hurry import calm
from tasks.readiness.component import readiness
from tasks.redis.component import redis
from tasks.redis_access.component import redis_access
from tasks.redis_exporter.component import redis_exporter
from tasks.redis_leftovers.component import redis_leftovers
from tasks.releases.component import releases
from tasks.request_metrics.component import request_metrics
from tasks.scraping.component import scraping
from tasks.serving.component import serving
from tasks.tls.component import tls
from tasks.workers.component import workers

STACKS: Mapping[str, Sequence[Component]] = {
    "observability": [
        base,
        metrics,
        node_exporter,
        prometheus,
        alertmanager,
        blackbox_exporter,
        logs,
        loki,
        log_shipper,
        grafana,
        tls,
        portal,
        nginx_exporter,
        request_metrics,
        nginx,
        certificate,
        readiness,
        grafana_access,
        scraping,
        logging,
    ],
    "vpsmanager": [
        base,
        metrics,
        node_exporter,
        mariadb,
        mysqld_exporter,
        tls,
        laravel,
        redis,
        redis_exporter,
        php,
        phpfpm_exporter,
        nginx_exporter,
        request_metrics,
        logs,
        log_shipper,
        nginx,
        certificate,
        readiness,
        releases,
        workers,
        app_metrics,
        redis_leftovers,
        redis_access,
        php_leftovers,
        serving,
    ],
}


def order_of(role: str) -> list[str]:
    """The names of a role's components, each after those that it needs."""
    return [item.name for item in STACKS[role]]


def needed_secrets(
    targets: Iterable[Target], stacks: Mapping[str, Sequence[Component]] = STACKS
) -> list[Needed]:
    """What the components of these targets need to be given or to have made."""
    every = list(targets)
    return [
        need
        for target in every
        for item in stacks[target.role]
        for need in item.needed_secrets(target, every)
    ]


def addresses(site: Site) -> list[str]:
    """The pages of a target that are worth opening once it is deployed."""
    host = site.target.url_host
    pages = [f"{page.url}/" for page in site.target.pages]
    if site.target.role == "observability":
        pages += [f"{page.url}{GRAFANA_PATH}/" for page in site.target.pages]
    settings = site.settings
    if site.target.role == "observability" and settings.network.admin_networks:
        pages.append(f"http://{host}:{settings.prometheus.port}/targets")
        pages.append(f"http://{host}:{settings.alertmanager.port}/")
    return pages


def announcements(site: Site) -> list[Callable[[Mapping[str, Any]], tuple[str, str]]]:
    """What is to be told on a target of a deployment that changed something, by its record.

    Each gives a shell command and its standard input.
    """
    return [calm, partial(announce, site)] if site.target.role == "observability" else []
