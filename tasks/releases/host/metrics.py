"""What Prometheus is to know of the applications: their releases, their queues, their workers."""

import subprocess
from collections.abc import Iterator, Mapping

from . import serving
from .app import App
from .commands import PATH, Failed, run
from .database import query
from .history import History

# What Laravel calls the parts of a queue, and what is asked of Redis for each.
PARTS = {
    "ready": ("LLEN", ""),
    "reserved": ("ZCARD", ":reserved"),
    "delayed": ("ZCARD", ":delayed"),
}
HELP = {
    "laravel_release_info": "The release that serves.",
    "laravel_queue_jobs": "Jobs in a queue: ready, reserved by a worker, or delayed.",
    "laravel_failed_jobs": "Jobs in the table of those that have failed.",
    "laravel_workers": "Queue workers that run.",
    "laravel_workers_wanted": "Queue workers that should run.",
}


def text(apps: list[App]) -> str:
    """All of it in the format of Prometheus (text, version 0.0.4)."""
    samples = [sample for app in apps for sample in _samples(app)]
    lines = []
    for name, what in HELP.items():
        lines += [f"# HELP {name} {what}", f"# TYPE {name} gauge"]
        lines += [line for each, line in samples if each == name]
    return "".join(f"{line}\n" for line in lines)


def _samples(app: App) -> Iterator[tuple[str, str]]:
    release = serving.live(app)
    last = History(app).last(release.name) if release else None
    if last:
        labels = {"release": last.release, "revision": last.revision}
        yield _sample("laravel_release_info", app, 1, labels)
    for (queue, state), count in _jobs(app).items():
        yield _sample("laravel_queue_jobs", app, count, {"queue": queue, "state": state})
    if (failed := _failed(app)) is not None:
        yield _sample("laravel_failed_jobs", app, failed)
    show = ["systemctl", "show", "-P", "ActiveState", *app.workers]
    states = run("metrics", show).split() if app.workers else []
    yield _sample("laravel_workers", app, states.count("active"))
    # Before the first release there is nothing for them to run.
    yield _sample("laravel_workers_wanted", app, len(app.workers) if release else 0)


def _sample(
    name: str, app: App, value: int, labels: Mapping[str, str] | None = None
) -> tuple[str, str]:
    all_labels = {"app": app.name, **(labels or {})}
    written = ",".join(f'{key}="{each}"' for key, each in all_labels.items())
    return name, f"{name}{{{written}}} {value}"


def _jobs(app: App) -> dict[tuple[str, str], int]:
    """How many there are, by queue and state; nothing where Redis does not answer."""
    asked = [(queue, state) for queue in app.queues for state in PARTS]
    words = [f"{PARTS[s][0]} {app.name}:queues:{q}{PARTS[s][1]}" for q, s in asked]
    try:
        said = subprocess.run(
            ["redis-cli", *app.redis[:-1], "--no-auth-warning"],
            input="\n".join([*words, ""]),
            env={"PATH": PATH, "REDISCLI_AUTH": _password(app)},
            capture_output=True,
            text=True,
            timeout=10,
        ).stdout.split()
    except (OSError, subprocess.TimeoutExpired):
        return {}
    if len(said) != len(asked) or not all(each.isdigit() for each in said):
        return {}
    return dict(zip(asked, map(int, said), strict=True))


def _password(app: App) -> str:
    with open(app.redis[-1]) as file:
        return file.read()


def _failed(app: App) -> int | None:
    """None if the database does not answer or is elsewhere; 0 if there is no table of them."""
    if app.database_elsewhere:
        return None

    def ask(question: str) -> str:
        return query(app, "metrics", question, timeout_s=10).strip()

    try:
        table = ask("show tables like 'failed_jobs'")
        return int(ask("select count(*) from failed_jobs")) if table else 0
    except (Failed, ValueError):
        return None
