"""Names of an application's systemd units beside its pages."""

from configs import App


def worker_units(name: str, app: App) -> list[str]:
    """Return the units that work off its queue; none while maintenance pauses them."""
    count = app.workers.count if runs_jobs(app) else 0
    return [f"{name}-worker-{number}.service" for number in range(1, count + 1)]


def scheduler_units(name: str, app: App) -> list[str]:
    """Return the units of its scheduler; none while maintenance pauses it."""
    if not app.scheduler or not runs_jobs(app):
        return []
    own = scheduler(name)
    return [f"{own}.service", f"{own}.timer", f"{schedule_run(name)}.service", slice_unit(name)]


def runs_jobs(app: App) -> bool:
    """Return whether workers and scheduler run."""
    return not (app.maintenance and app.maintenance_pauses_jobs)


def scheduler(name: str) -> str:
    """Return the timer's name, without an ending."""
    return f"{name}-scheduler"


def schedule_run(name: str) -> str:
    """Return the name of the template of which each minute has an instance, without an ending."""
    return f"{name}-schedule-run@"


def slice_unit(name: str) -> str:
    """Return the slice of all scheduled tasks; a dash would make it a part of another one."""
    return f"{name}_schedule.slice"
