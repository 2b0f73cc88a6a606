"""How other components put their sites into Nginx."""

from typing import Any

from tasks.resources import absent, file

ENABLED = "/etc/nginx/sites-enabled"


def nginx_site(name: str, template: str, **values: Any) -> None:
    """A site from a template of the calling component, checked together with all others."""
    # Debian's example claims to be the default server, as ours does.
    absent(f"{ENABLED}/default")
    file(f"{ENABLED}/{name}.conf", template, check="nginx -t -q", **values)
