"""Nginx: the sites that other components have put into sites-enabled, served."""

from facts.services import answers
from tasks import sizing
from tasks.component import Site, component
from tasks.nginx.sites import CHECKER, ENABLED, LOGS, SANDBOX
from tasks.resources import allow, file, service
from tasks.sandbox import Checker, Sandbox

ACCESS_LOG = f"{LOGS}/access.log"
# The kernel's limit of connections for each client: a unit, and a table of nftables.
CONNECTIONS = "chom-connections"
RULES = "/etc/chom/connections.nft"
NFT_SANDBOX = Sandbox(
    extra=(
        "CapabilityBoundingSet=CAP_NET_ADMIN",
        "SystemCallFilter=@system-service",
        "IPAddressDeny=any",
        "UMask=0077",
    )
)


@component(needs=["base"], packages=["nginx"], data=[LOGS])
def nginx(site: Site) -> None:
    """Declared after the sites, so that one reload brings in all of them."""
    _limit_connections(site)
    config = file(
        "/etc/nginx/nginx.conf",
        "nginx.conf.j2",
        check=CHECKER,
        workers=sizing.nginx_workers(site.hardware),
        access_log=ACCESS_LOG,
    )
    allow(80)
    if site.target.encrypted:
        allow(443)
    service(
        "nginx",
        reads=[config, f"{ENABLED}/*"],
        # Whatever the sites say: an application that is down is no fault of Nginx.
        ready=answers("nginx.service", "http://127.0.0.1/", any_status=True),
        sandbox=SANDBOX,
    )


def _limit_connections(site: Site) -> None:
    table = CONNECTIONS.replace("-", "_")
    rules = file(
        RULES,
        "connections.nft.j2",
        check=Checker(f"nft -c -f {RULES}", NFT_SANDBOX),
        table=table,
        limit=site.settings.nginx.connections_per_client,
    )
    unit = file(
        f"/etc/systemd/system/{CONNECTIONS}.service",
        "connections.service.j2",
        rules=RULES,
        table=table,
    )
    service(CONNECTIONS, runs=[rules, unit], sandbox=NFT_SANDBOX)
