"""Grafana's access: its admin has the password that is wanted."""

from tasks.component import Site, component
from tasks.grafana.component import ADMIN_PASSWORD, admit_admin


@component(needs=["grafana", "readiness"], secrets=[ADMIN_PASSWORD])
def grafana_access(site: Site) -> None:
    """Once Grafana is ready, which takes its time when it is new."""
    admit_admin(site)
