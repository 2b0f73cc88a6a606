"""Back to an earlier release."""

from . import build, serving
from .app import App
from .commands import Failed
from .history import History


def choose(app: App, history: History, name: str | None) -> str:
    """The release to go back to: the newest good one before what serves, or the named one.

    Raises Failed where there is none.
    """
    live = serving.live(app)
    if live is None:
        raise Failed("choose", f"{app.name} has no release yet")
    good = [each for each in history.good() if each != live.name]
    if name is None:
        earlier = [each for each in good if each < live.name]
        if not earlier:
            raise Failed("choose", f"there is no good release before {live.name}")
        return earlier[-1]
    known = [*good, *history.left()]
    if name == live.name:
        raise Failed("choose", f"{name} serves already")
    if name not in known:
        there = ", ".join(sorted(known)) or "none"
        raise Failed("choose", f"there is no good release {name}; there is: {there}")
    return name


def roll_back(app: App, name: str | None, by: str) -> None:
    """Let an earlier release serve again. Raises Failed: what served before goes on serving.

    Deployments then hold back the commit that was left, and name ``by``.
    """
    history = History(app)
    chosen = choose(app, history, name)
    before = serving.live(app)
    assert before is not None
    earlier = app.releases / chosen
    if not build.is_sealed(app, earlier) and not build.seal_earlier(app, earlier):
        raise Failed("seal", f"not all of {chosen} belongs to root, so it must never serve")
    try:
        build.refresh(app, app.releases / chosen)
        serving.try_out(app, app.releases / chosen)
        serving.go_live(app, app.releases / chosen)
    except Failed:
        if serving.live(app) != before:
            serving.go_live(app, before)
        raise
    history.note(before.name, "left", revision=history.details(before.name)["revision"], by=by)
    details = {**history.details(chosen), "dump": ""}  # this went back to no dump
    history.note(chosen, "live", **details)
    serving.restart_workers(app)
    print(f"live again: {chosen}; {before.name} is left", flush=True)
