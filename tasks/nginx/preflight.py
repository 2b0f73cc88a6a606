"""Preflight check of Nginx: sites of somebody else's would not be served any more."""

from collections.abc import Container

from pyinfra import host

from configs.findings import Finding
from facts.nginx import Sites
from tasks.nginx.sites import ENABLED

CONFIG = "/etc/nginx/nginx.conf"


def check_sites(owned: Container[tuple[str, str]]) -> list[Finding]:
    """Refuse a target whose Nginx serves sites that no deploy made.

    + owned: what is ours by the records, kind and name

    Once the configuration is ours, whoever puts a site into sites-enabled has it served; only the
    name of Debian's example is not free.
    """
    there: list[str] = host.get_fact(Sites)
    is_ours = "ours" in there or ("files", CONFIG) in owned or ("originals", CONFIG) in owned
    sites = [path for path in there if path != "ours" and ("files", path) not in owned]
    found = [path for path in sites if not is_ours or path == f"{ENABLED}/default"]
    if not found:
        return []
    return [
        Finding(
            "Nginx",
            f"sites that no deploy made: {', '.join(found)}",
            "no other sites: the deploy brings its own nginx.conf, and a default server",
            "move them to another server, or out of /etc/nginx for the deploy; afterwards those"
            " that are not the default server may come back, each as a file in"
            f" {ENABLED} by another name than default; if they are of an earlier deploy whose"
            " records are lost, fetch them: python -m state sync",
        )
    ]
