"""log_shipper: sends the target's logs to Loki, by Alloy or by Promtail."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from configs import Target
from tasks import sizing
from tasks.component import Site, component
from tasks.log_shipper.sources import JOURNAL, Source, sources
from tasks.logs import component as logs
from tasks.loki.component import PUSH
from tasks.metrics import component as metrics
from tasks.metrics.exporter import admit_observers
from tasks.nginx.sites import nginx_site
from tasks.operations.releases import PROGRAMS
from tasks.quoting import systemd
from tasks.resources import (
    absent,
    credential,
    directory,
    file,
    folder_of_files,
    journal_on_disk,
    no_service,
    service,
    text_file,
)
from tasks.sandbox import Checker, Sandbox
from tasks.vendors import grafana, pinned

# Nginx shows the metrics page of it to Prometheus.
PAGE = "127.0.0.1:12345"
# Keeps positions up to which Loki has everything (tasks/log_shipper/host).
CHECKPOINT = "chom-log-checkpoint"
CHECKPOINT_SETTINGS = f"{logs.FOLDER}/checkpoint.json"
CHECKPOINT_PROGRAM = (
    f"/usr/bin/env PYTHONPATH={PROGRAMS} PYTHONDONTWRITEBYTECODE=1"
    " /usr/bin/python3 -sP -m log_checkpoint"
)
# An outage of a day, and some hours to notice it. Both shippers read the journal from this age on
# if their cursor is older, and also if they have none.
JOURNAL_MAX_AGE = "48h"


@dataclass(frozen=True)
class Shipper:
    """Differences between the shippers.

    ``data``: folder of the positions, which match ``positions`` below it. ``metrics``: how the
    names of the sending queue's metrics begin. ``jit``: whether it needs executable memory.
    """

    config: str
    check: str
    ready: str
    data: str
    positions: str
    metrics: str
    jit: bool = False


SHIPPERS = {
    "alloy": Shipper(
        "/etc/alloy/config.alloy",
        "alloy validate",
        f"http://{PAGE}/-/ready",
        "/var/lib/alloy",
        "data/loki.source.*/positions.yml",
        "loki_write_",
        # 1.16 to 1.18 compile regular expressions with wazero when they start, and panic if memory
        # cannot be writable and executable. Promtail needs no such memory.
        jit=True,
    ),
    "promtail": Shipper(
        "/etc/promtail/config.yml",
        "promtail -check-syntax -config.file",
        f"http://{PAGE}/ready",
        "/var/lib/promtail",
        "positions.yaml",
        "promtail_",
    ),
}


@component(
    needs=["base", "metrics", "logs"],
    packages=lambda site: [pinned(site.settings.logs.shipper, site.settings.logs.version)],
    repositories=lambda site: [grafana(site)],
    secrets=lambda target: [*logs.secrets_of(target), *metrics.secrets_of(target)],
    data=lambda site: [SHIPPERS[site.settings.logs.shipper].data],
)
def log_shipper(site: Site) -> None:
    """The other shipper, if it was there before, is stopped; its package goes at the end."""
    name = site.settings.logs.shipper
    shipper = SHIPPERS[name]
    for other in SHIPPERS.keys() - {name}:
        no_service(other)
        absent(SHIPPERS[other].config)
    directory(shipper.data, owner=name, group="root", mode="700")
    journal_on_disk()
    sandbox = _sandbox(name, site)
    read = sources(site)
    urls = [_push_url(site, each) for each in site.of_role("observability")]
    config = file(
        shipper.config,
        f"{name}.j2",
        check=Checker(f"{shipper.check} {shipper.config}", sandbox, name),
        sources=read,
        rules=JOURNAL,
        max_age=JOURNAL_MAX_AGE,
        urls=urls,
        logs=logs,
        user=logs.login_of(site)[0],
        password_file=credential("logs_password", name),
        page=PAGE,
        data=shipper.data,
    )
    port = site.settings.logs.port
    admit_observers(site, port)
    nginx_site("log_shipper", "site.conf.j2", port=port, guard=metrics.guard(site), page=PAGE)
    program = folder_of_files(Path(__file__).parent / "host", f"{PROGRAMS}/log_checkpoint")
    settings = text_file(CHECKPOINT_SETTINGS, _checkpoint_settings(name, read, urls))
    service(
        name,
        runs=[config, *_arguments(name), logs.CERTIFICATE],
        ready=shipper.ready,
        credentials={"logs_password": logs.PASSWORD_FILE},
        sandbox=replace(sandbox, extra=(*sandbox.extra, *_checkpoint_lines())),
    )
    unit = file(
        f"/etc/systemd/system/{CHECKPOINT}.service",
        "checkpoint.service.j2",
        name=name,
        program=CHECKPOINT_PROGRAM,
    )
    service(
        CHECKPOINT,
        runs=[unit, program, settings],
        sandbox=Sandbox(
            writes=(shipper.data,),
            loopback_only=True,
            extra=("SupplementaryGroups=adm", "MemoryMax=64M"),
        ),
    )


def _sandbox(name: str, site: Site) -> Sandbox:
    """Confinement of a shipper, for the program that runs and for the one that checks its file."""
    memory_mb = sizing.shipper_memory_mb(site.hardware)
    if name == "alloy":
        memory_mb = max(memory_mb, sizing.ALLOY_MEMORY_MB)
    return Sandbox(
        writes=(SHIPPERS[name].data,),
        jit=SHIPPERS[name].jit,
        extra=(
            "SupplementaryGroups=adm systemd-journal",
            f"Environment=GOMEMLIMIT={memory_mb}MiB",
        ),
    )


def _checkpoint_lines() -> Sequence[str]:
    """Lines of the shipper's unit that have it start from the checkpoint."""
    return (
        f"ExecStartPre={CHECKPOINT_PROGRAM} restore",
        f"ExecStop={CHECKPOINT_PROGRAM} stopping",
        f"ExecStopPost={CHECKPOINT_PROGRAM} stopped",
        # To copy rotated files of an outage takes a while.
        "TimeoutStartSec=300",
        # Alloy sends what it holds for 15 s; Promtail does not end while its Loki is away.
        "TimeoutStopSec=20",
    )


def _checkpoint_settings(name: str, read: Sequence[Source], urls: Sequence[str]) -> str:
    """Settings of the program that keeps the checkpoint, as JSON."""
    shipper = SHIPPERS[name]
    values = {
        "data": shipper.data,
        "positions": shipper.positions,
        "metrics_url": f"http://{PAGE}/metrics",
        "metrics_prefix": shipper.metrics,
        "sources": [{"name": source.name, "files": source.files} for source in read],
        "hosts": len(urls),
    }
    return json.dumps(values, indent=2) + "\n"


def _push_url(site: Site, loki: Target) -> str:
    """Where a Loki takes what is pushed: itself by loopback, others by address."""
    host = "127.0.0.1" if loki.name == site.target.name else loki.url_host
    return f"https://{host}:{loki.settings.loki.push_port}{PUSH}"


def _arguments(name: str) -> list[str]:
    """The file with what Alloy is to be told on its command line; Promtail has none."""
    if name != "alloy":
        return []
    text = (
        "# written by chom; changes are overwritten\n"
        f"CONFIG_FILE={systemd(SHIPPERS[name].config)}\n"
        f"CUSTOM_ARGS={systemd(f'--server.http.listen-addr={PAGE} --disable-reporting')}\n"
        "RESTART_ON_UPGRADE=true\n"
    )
    return [text_file("/etc/default/alloy", text)]
