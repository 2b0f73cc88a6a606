"""Prometheus: scrapes every target, from the pinned upstream release."""

from configs import Target
from tasks import sizing
from tasks.artifacts import Artifact
from tasks.component import Site, component
from tasks.loki.component import ITSELF as LOKI
from tasks.metrics import component as metrics
from tasks.prometheus.alerting import SUBJECTS, rule_file
from tasks.prometheus.hurry import scrapes_each_second
from tasks.prometheus.jobs import Scraped, jobs, scraped_from
from tasks.prometheus.places import (
    CONFIG,
    CONFIG_FILE,
    DATA,
    LOGINS,
    RULE_FILES,
    RULES,
    TARGETS,
    UNIT_FILE,
    folder_of,
)
from tasks.prometheus.versions import reads_retention_from_file
from tasks.resources import (
    allow,
    artifact,
    directory,
    file,
    nothing_else,
    secret_text,
    service,
    text_file,
    user,
)
from tasks.sandbox import Checker, Sandbox

USER = "prometheus-server"
SANDBOX = Sandbox(writes=(DATA,))
# No target can have this name.
PROBES = "blackbox_exporter"


def folder(site: Site) -> str:
    """Where this version's binaries are; a folder for each version."""
    return folder_of(site.settings.prometheus.version)


def listen_address(site: Site) -> str:
    """All interfaces if someone from outside may look, else this machine alone."""
    return "0.0.0.0" if site.settings.network.admin_networks else "127.0.0.1"


def release(site: Site) -> Artifact:
    """The pinned release of upstream, for the target's architecture."""
    settings, arch = site.settings.prometheus, site.debian_architecture
    name = f"prometheus-{settings.version}.linux-{arch}.tar.gz"
    url = f"{settings.base_url}/v{settings.version}/{name}"
    return Artifact(url, settings.sha256[arch], folder(site))


@component(
    needs=["base", "metrics"],
    secrets=metrics.secrets_of,
    secrets_of_others=metrics.secrets_of,
    data=[DATA],
    artifacts=lambda site: [release(site)],
    version=lambda site: f"{folder(site)}/prometheus --version | awk 'NR==1 {{print $3}}'",
)
def prometheus(site: Site) -> None:
    """The server, its configuration checked by its own promtool, its disk use bounded."""
    settings = site.settings.prometheus
    promtool = f"{folder(site)}/promtool"
    user(USER, home=DATA)
    directory(DATA, owner=USER, mode="750")
    directory(CONFIG)
    binary = artifact(release(site))
    directory(TARGETS)
    directory(LOGINS)
    for target in site.targets:
        _target(site, target)
    file(f"{TARGETS}/{PROBES}.yml", "targets.yml.j2", scraped=_probed(site))
    directory(RULES)
    for subject in SUBJECTS:
        text_file(
            f"{RULES}/{subject}.yml",
            rule_file(subject, site.target, site.targets),
            check=Checker(f"{promtool} check rules {RULES}/{subject}.yml", SANDBOX, USER),
        )
    retention_in_file = reads_retention_from_file(settings.version)
    retention_mb = settings.retention_size_mb or sizing.prometheus_retention_mb(site.hardware)
    config = file(
        CONFIG_FILE,
        "prometheus.yml.j2",
        check=Checker(f"{promtool} check config {CONFIG_FILE}", SANDBOX, USER),
        scrapes={each.name: metrics.login_of(site, each) for each in site.targets},
        probes=PROBES,
        folder=TARGETS,
        logins=LOGINS,
        blackbox=f"127.0.0.1:{site.settings.blackbox_exporter.port}",
        rules=RULE_FILES,
        loki=LOKI,
        metrics=metrics,
        retention_in_file=retention_in_file,
        retention_mb=retention_mb,
    )
    unit = file(
        UNIT_FILE,
        "prometheus.service.j2",
        folder=folder(site),
        config=config,
        data=DATA,
        listen=f"{listen_address(site)}:{settings.port}",
        memory_mb=sizing.prometheus_memory_mb(site.hardware),
        retention_in_file=retention_in_file,
        retention_mb=retention_mb,
    )
    for network in site.settings.network.admin_networks:
        allow(settings.port, str(network))
    service(
        "prometheus",
        runs=[binary, unit],
        reads=[config, RULE_FILES],
        ready=f"http://127.0.0.1:{settings.port}/-/ready",
        sandbox=SANDBOX,
        hurry=scrapes_each_second(settings.scrape_interval_s),
    )
    logins = [metrics.login_of(site, each) for each in site.targets]
    nothing_else(LOGINS, "*.crt", [login.certificate_name for login in logins])
    nothing_else(LOGINS, "*.password", [login.password_name for login in logins])


def _target(site: Site, target: Target) -> None:
    """What is scraped from a target, and how; Prometheus reads the last of these files by itself.

    Of some addresses it goes on with the password that it read first, and with none once it has
    read a certificate anew: it is refused (401) until its configuration changes. So another
    certificate or password has another name.
    """
    login = metrics.login_of(site, target)
    text_file(f"{LOGINS}/{login.certificate_name}", login.certificate)
    password = login.password.reveal()
    secret_text(f"{LOGINS}/{login.password_name}", password, mode="640", group=USER)
    file(f"{TARGETS}/{target.name}.yml", "targets.yml.j2", scraped=scraped_from(site, target))


def _probed(site: Site) -> list[tuple[str, Scraped]]:
    """What the blackbox exporter looks at, each after its job."""
    every = jobs(site).items()
    return [(name, each) for name, job in every if job.probes for each in job.targets]
