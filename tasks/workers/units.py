"""The names of an application's systemd units."""

from configs import App


def worker_units(name: str, app: App) -> list[str]:
    """Those that work off its queue."""
    return [f"{name}-worker-{number}.service" for number in range(1, app.workers.count + 1)]


def scheduler(name: str) -> str:
    """The name of its scheduler, without an ending."""
    return f"{name}-scheduler"
