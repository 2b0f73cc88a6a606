"""Loki: keeps the logs of every target, which only our shippers may write."""

from collections.abc import Mapping

from pyinfra import host

from facts.tenants import StoredTenants
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
# Loki's own name for the tenant of an installation that has one.
SHARED = "fake"
# Where Loki itself listens: whoever asks there names the tenants himself.
ITSELF = "127.0.0.1:13100"
# Pushes of one machine; what exceeds them waits, then is refused, and sent again by the shipper.
PUSHES_PER_S, WAITING_PUSHES, CONNECTIONS = 50, 200, 20


def address(site: Site) -> str:
    """Where it answers about all targets, on its own machine alone and without a password."""
    return f"127.0.0.1:{site.settings.loki.port}"


def tenants(site: Site) -> Mapping[str, str]:
    """Tenant of each user that pushes.

    A target logs in by its name, and its lines are stored under it. Those of earlier versions, in
    which all targets logged in as one user, are stored under ``SHARED``.
    """
    return {**{target.name: target.name for target in site.targets}, logs.SHARED_USER: SHARED}


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
    stored = host.get_fact(StoredTenants, folder=f"{DATA}/chunks")
    directory(DATA, owner="loki", group="root", mode="700")
    config = file(
        CONFIG,
        "loki.yml.j2",
        check=Checker(f"loki -verify-config -config.file={CONFIG}", sandbox, "loki"),
        data=DATA,
        itself=ITSELF,
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
        itself=ITSELF,
        address=address(site),
        tenants=tenants(site),
        # Lines of a target that is gone stay readable for as long as they are kept.
        readable=dict.fromkeys([*tenants(site).values(), *stored]),
        rate=PUSHES_PER_S,
        burst=WAITING_PUSHES,
        connections=CONNECTIONS,
    )
    service(
        "loki",
        runs=[config],
        ready=f"http://{ITSELF}/ready",
        limit_s=120,
        sandbox=sandbox,
    )
