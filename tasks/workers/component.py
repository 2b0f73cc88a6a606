"""Workers: what each application does beside its pages, as systemd units."""

from typing import Any

from configs import App
from tasks.component import Site, component, noted
from tasks.laravel import confinement
from tasks.laravel.places import root
from tasks.operations.units import remove_units
from tasks.resources import file, service, timer
from tasks.workers.units import scheduler, worker_units

# By it our units are known from those of others.
MARK = "# an application's unit, written by chom; changes are overwritten"


# Visitors go before; what a job starts is bounded as well.
LIMITS = ("TasksMax=128", "CPUWeight=50")


@component(needs=["releases"], tolerates=["releases"])
def workers(site: Site) -> None:
    """They run the release that serves: a new one is a restart, once the job at hand is done."""
    wanted = []
    for name, app in site.target.apps.items():
        wanted += [f"{scheduler(name)}.{kind}" for kind in ("service", "timer") if app.scheduler]
        wanted += worker_units(name, app)
    with noted("No other units of applications") as label:
        remove_units(name=label, mark=MARK, wanted=wanted)
    for name, app in site.target.apps.items():
        for unit in worker_units(name, app):
            _worker(site, name, app, unit)
        if app.scheduler:
            _scheduler(site, name, app)


def _worker(site: Site, name: str, app: App, unit: str) -> None:
    path = file(
        f"/etc/systemd/system/{unit}",
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
    unit = scheduler(name)
    values: dict[str, Any] = {
        "mark": MARK,
        "name": name,
        "base": root(name),
        "sandbox": confinement.runtime(name, app, *LIMITS),
    }
    file(
        f"/etc/systemd/system/{unit}.service",
        "scheduler.service.j2",
        php=site.target.php_of(app),
        memory_mb=app.workers.memory_mb,
        **values,
    )
    path = file(f"/etc/systemd/system/{unit}.timer", "scheduler.timer.j2", **values)
    timer(unit, runs=path)
