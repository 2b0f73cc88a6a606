"""Loki: keeps the logs of every target, which only our shippers may write."""

from tasks import sizing
from tasks.component import Site, component
from tasks.logs import component as logs
from tasks.nginx.sites import nginx_site, users_file
from tasks.resources import allow, directory, file, secret, service
from tasks.sandbox import Checker, Sandbox
from tasks.vendors import grafana, pinned

CONFIG = "/etc/loki/config.yml"
DATA = "/var/lib/loki"
PUSH = "/loki/api/v1/push"


def address(site: Site) -> str:
    """Where it answers, on its own machine alone and without a password."""
    return f"127.0.0.1:{site.settings.loki.port}"


@component(
    needs=["base", "logs"],
    packages=lambda site: [pinned("loki", site.settings.loki.version)],
    repositories=lambda site: [grafana(site)],
    secrets=lambda target: [logs.KEY, logs.password(target)],
    secrets_of_others=lambda other: [logs.password(other)],
    data=[DATA],
)
def loki(site: Site) -> None:
    """One process that keeps everything on its own disk; Nginx lends it TLS and the password."""
    settings = site.settings.loki
    sandbox = Sandbox(
        writes=(DATA,),
        loopback_only=True,
        extra=(f"Environment=GOMEMLIMIT={sizing.loki_memory_mb(site.hardware)}MiB",),
    )
    directory(DATA, owner="loki", group="root", mode="700")
    config = file(
        CONFIG,
        "loki.yml.j2",
        check=Checker(f"loki -verify-config -config.file={CONFIG}", sandbox, "loki"),
        data=DATA,
        ingestion_mb=sizing.loki_ingestion_mb(site.hardware),
        cache_mb=sizing.loki_cache_mb(site.hardware),
        memory_mb=sizing.loki_memory_mb(site.hardware),
    )
    for target in site.targets:
        if target.name != site.target.name:
            allow(settings.push_port, site.ip_of(target))
    # Hashes alone: the observability target cannot log in as another one.
    users = {target.name: secret(logs.password(target)) for target in site.targets}
    users_file(logs.USERS, users, logs.PREVIOUS_USERS)
    nginx_site(
        "loki",
        "site.conf.j2",
        port=settings.push_port,
        guard=logs.guard(),
        previous=logs.PREVIOUS_USERS,
        push=PUSH,
        address=address(site),
    )
    service(
        "loki",
        runs=[config],
        ready=f"http://{address(site)}/ready",
        limit_s=120,
        sandbox=sandbox,
    )
