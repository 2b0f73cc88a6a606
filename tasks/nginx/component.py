"""Nginx: the sites that other components have put into sites-enabled, served."""

from facts.services import answers
from tasks import sizing
from tasks.component import Site, component
from tasks.nginx.sites import CHECKER, ENABLED, LOGS, SANDBOX
from tasks.resources import allow, file, service

ACCESS_LOG = f"{LOGS}/access.log"


@component(needs=["base"], packages=["nginx"], data=[LOGS])
def nginx(site: Site) -> None:
    """Declared after the sites, so that one reload brings in all of them."""
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
