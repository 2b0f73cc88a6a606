"""``releases COMMAND APP``: deploy, roll back, and tell what serves; ``releases metrics``."""

import fcntl
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from . import deploying, metrics, preview, rolling_back, serving
from .app import App, Unknown
from .commands import Failed, stop_leftovers
from .history import History

LOCKS = Path("/run/chom")
WAIT_S = 900


def main(arguments: list[str]) -> int:
    """Exit code 0: done, or what is wanted serves already; 1: not, with the step and its output."""
    os.umask(0o022)
    try:
        if arguments == ["metrics"]:
            print(metrics.text(App.all()), end="")
            return 0
        command, name, *more = arguments
        return act(command, App.read(name), more)
    except Unknown as error:
        print(error, file=sys.stderr)
        return 1


def act(command: str, app: App, more: list[str]) -> int:
    """Do what a command says with one application; the exit code."""
    try:
        if command == "is-live":
            return 0 if deploying.is_live(app) else 1
        if command == "choose":
            print(rolling_back.choose(app, History(app), more[0] if more else None))
            return 0
        if command == "preview":
            print(json.dumps(preview.preview(app, json.loads(more[0]))))
            return 0
        if command == "tell":
            print(json.dumps(tell(app)))
            return 0
        with _alone(app):
            stop_leftovers(app)
            if command == "deploy":
                deploying.deploy(app)
            elif command == "rollback":
                release, by, *_ = [*more, "", ""]
                rolling_back.roll_back(app, release or None, by or "root of this server")
            else:
                raise SystemExit(f"releases: no command {command}")
    except Failed as failure:
        print("\n".join(failure.output), file=sys.stderr)
        print(f"{app.name}: {failure}", file=sys.stderr)
        return 1
    return 0


def tell(app: App) -> dict[str, object]:
    """What serves, and what was last said of any release: the event of which one, when and why."""
    release, history = serving.live(app), History(app)
    events = history.events()
    told: dict[str, object] = {"app": app.name, "release": release and release.name}
    told["revision"] = release and history.details(release.name)["revision"]
    if held := deploying.held_back(history):
        told["held"] = {key: asdict(held)[key] for key in ("release", "revision", "at", "by")}
    ended = [event for event in events if event.event not in ("migrating", "migrated")]
    if not ended:
        return told
    last = asdict(ended[-1])
    return {
        **told,
        "last": {key: last[key] for key in ("release", "event", "at", "step", "output", "dump")},
    }


@contextmanager
def _alone(app: App) -> Iterator[None]:
    """Wait until nobody else deploys the application. Raises Failed after WAIT_S seconds."""
    LOCKS.mkdir(mode=0o700, exist_ok=True)
    with (LOCKS / f"releases-{app.name}.lock").open("w") as file:
        end = time.monotonic() + WAIT_S
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > end:
                    raise Failed("lock", f"{app.name} is being deployed by somebody else") from None
                time.sleep(0.5)
        yield


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
