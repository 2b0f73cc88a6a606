"""Where Grafana is: its address on its own machine, and how one logs in there as the admin."""

from tasks.component import Site

# Below the page of the target's Nginx.
PATH = "/grafana"
ADMIN = "admin"
FOLDER = "/etc/chom/grafana"
# A file of options for curl; root alone reads it.
LOGIN = f"{FOLDER}/login"


def local_url(site: Site, path: str) -> str:
    """Grafana's own address for a path such as ``/api/health``, for those on its machine."""
    return f"http://127.0.0.1:{site.settings.grafana.port}{PATH}{path}"
