"""Grafana: dashboards of all targets, at /grafana/ of the observability target's page."""

from pathlib import Path

from configs.secrets import Needed
from tasks import vendors
from tasks.awaiting import is_awaited_later
from tasks.component import Site, component, noted, stage
from tasks.grafana.places import ADMIN, FOLDER, LOGIN, PATH, local_url
from tasks.grafana.plugins import unused
from tasks.operations.grafana import DATA, LOGS, set_admin_password
from tasks.quoting import curl
from tasks.resources import (
    directory,
    file,
    nothing_else,
    secret,
    secret_text,
    service,
    text_file,
)
from tasks.sandbox import Sandbox

ADMIN_PASSWORD = Needed("GRAFANA_ADMIN_PASSWORD", "the password of Grafana's admin", "password")
SECRET_KEY = Needed(
    "GRAFANA_SECRET_KEY", "what Grafana seals the passwords of its datasources with", "password"
)
UNIT = "grafana-server"
CONFIG = "/etc/grafana"
DASHBOARDS = f"{FOLDER}/dashboards"
HOME = "chom-fleet.json"


@component(
    needs=["base"],
    packages=lambda site: [vendors.pinned("grafana", site.settings.grafana.version)],
    repositories=lambda site: [vendors.grafana(site)],
    secrets=[ADMIN_PASSWORD, SECRET_KEY],
    data=[DATA, LOGS],
)
def grafana(site: Site) -> None:
    """Upstream's package, on loopback: Nginx is before it.

    What it runs with is in files; the dashboards' are looked at again by itself. Datasources hold
    no password of ours, so its key may change.
    """
    directory(FOLDER)
    directory(DASHBOARDS)
    _dashboards()
    password = secret(ADMIN_PASSWORD).reveal()
    admin_password = secret_text(f"{FOLDER}/admin_password", password, mode="640", group="grafana")
    secret_key = secret_text(
        f"{FOLDER}/secret_key", secret(SECRET_KEY).reveal(), mode="640", group="grafana"
    )
    # Owner and mode as upstream's package sets them at every upgrade.
    config = file(
        f"{CONFIG}/grafana.ini",
        "grafana.ini.j2",
        mode="640",
        group="grafana",
        sub_path=PATH,
        home=f"{DASHBOARDS}/{HOME}",
        admin_password_file=admin_password,
        secret_key_file=secret_key,
        disabled_plugins=unused(site.settings.grafana.data_sources),
    )
    provisioning = [
        file(
            f"{CONFIG}/provisioning/{kind}/chom.yaml",
            f"{kind}.yaml.j2",
            mode="640",
            group="grafana",
            folder=DASHBOARDS,
        )
        for kind in ("datasources", "dashboards")
    ]
    service(
        UNIT,
        runs=[config, secret_key, *provisioning],
        ready=local_url(site, "/api/health"),
        # Its first start makes a database of some hundred tables.
        limit_s=120,
        # Some plugins are compiled while they run.
        sandbox=Sandbox(jit=True, writes=(DATA, LOGS)),
    )
    if not is_awaited_later():
        admit_admin(site)


def admit_admin(site: Site) -> None:
    """Grafana's admin, and what logs in as him; Grafana has to be ready."""
    password = secret(ADMIN_PASSWORD).reveal()
    login = secret_text(LOGIN, f"user = {curl(f'{ADMIN}:{password}')}")
    with noted("Password of Grafana's admin") as label:
        set_admin_password(
            name=label,
            password=secret(ADMIN_PASSWORD),
            login=login,
            url=local_url(site, "/api/user"),
            upcoming=stage().written[login],
        )


def _dashboards() -> None:
    """Those that tasks/grafana/dashboards has made, and no others."""
    files = sorted((Path(__file__).parent / "json").glob("*.json"))
    for each in files:
        text_file(f"{DASHBOARDS}/{each.name}", each.read_text())
    nothing_else(DASHBOARDS, "*.json", [each.name for each in files])
