"""Workers: what each application does beside its pages, as systemd units."""

from typing import Any

from configs import App
from tasks.component import Site, component, noted
from tasks.laravel import confinement
from tasks.laravel.places import root
from tasks.operations.units import remove_units
from tasks.resources import file, service, timer
from tasks.sandbox import Sandbox
from tasks.workers.units import (
    schedule_run,
    scheduler,
    scheduler_units,
    slice_unit,
    worker_units,
)

# By it our units are known from those of others.
MARK = "# an application's unit, written by chom; changes are overwritten"

UNITS = "/etc/systemd/system"

# Visitors go before; what a job starts is bounded as well.
LIMITS = ("TasksMax=128", "CPUWeight=50")


@component(needs=["releases"], tolerates=["releases"])
def workers(site: Site) -> None:
    """They run the release that serves: a new one is a restart, once the job at hand is done."""
    wanted = []
    for name, app in site.target.apps.items():
        wanted += scheduler_units(name, app) + worker_units(name, app)
    with noted("No other units of applications") as label:
        remove_units(name=label, mark=MARK, wanted=wanted)
    for name, app in site.target.apps.items():
        for unit in worker_units(name, app):
            _worker(site, name, app, unit)
        if scheduler_units(name, app):
            _scheduler(site, name, app)


def _worker(site: Site, name: str, app: App, unit: str) -> None:
    path = file(
        f"{UNITS}/{unit}",
        "worker.service.j2",
        mark=MARK,
        name=name,
        base=root(name),
        php=site.target.php_of(app),
        workers=app.workers,
        sandbox=confinement.runtime(name, app, *LIMITS),
    )
    service(
        unit.removesuffix(".service"),
        runs=[path, f"{root(name)}/current/.release"],
        limit_s=app.workers.timeout_s + 60,
    )


def _scheduler(site: Site, name: str, app: App) -> None:
    """Run ``schedule:run`` every minute, as cron does: whatever the minutes before still run."""
    values: dict[str, Any] = {"mark": MARK, "name": name, "base": root(name)}
    memory_mb = app.workers.memory_mb
    file(f"{UNITS}/{slice_unit(name)}", "schedule.slice.j2", memory_mb=memory_mb, **values)
    file(
        f"{UNITS}/{schedule_run(name)}.service",
        "schedule_run.service.j2",
        php=site.target.php_of(app),
        memory_mb=memory_mb,
        timeout_s=app.workers.timeout_s,
        slice=slice_unit(name),
        sandbox=confinement.runtime(name, app, *LIMITS),
        **values,
    )
    unit = scheduler(name)
    file(
        f"{UNITS}/{unit}.service",
        "scheduler.service.j2",
        script=_start_tasks(schedule_run(name)),
        sandbox=Sandbox(),
        **values,
    )
    timer(unit, runs=file(f"{UNITS}/{unit}.timer", "scheduler.timer.j2", **values))


def _start_tasks(template: str) -> str:
    """Return a shell command that starts a unit of a template for this minute.

    It fails if the one of the minute before did.
    """
    every = f"'{template}*.service'"
    return (
        f"failed=$(systemctl list-units -q --plain --state=failed {every});"
        f' [ -z "$failed" ] || systemctl reset-failed {every};'
        f' systemctl start --no-block {template}$(date +%s).service && [ -z "$failed" ]'
    )
