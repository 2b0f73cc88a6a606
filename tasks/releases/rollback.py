"""Rollback: an earlier release of one application serves again."""

from collections.abc import Mapping, Sequence

from configs import ConfigurationError, Problem, Target
from tasks.component import Component, Site, component, noted
from tasks.operations.releases import PROGRAMS, roll_back_app
from tasks.releases.component import PROGRAM_FILES, report
from tasks.resources import folder_of_files


def chosen_app(targets: Sequence[Target], data: Mapping[str, str]) -> str:
    """The application that ``--data app=`` names; without it the only one that there is.

    Raises ConfigurationError.
    """
    apps = sorted({name for target in targets for name in target.apps})
    named = data.get("app")
    if named is None and len(apps) == 1:
        return apps[0]
    if named in apps:
        return named
    problem = Problem(
        "--data",
        "app",
        f'"{named}"' if named else "nothing, and there are several applications",
        f"one of: {', '.join(apps)}",
        "name the application that is to be rolled back: --data app=NAME",
    )
    raise ConfigurationError([problem])


def rolling_back(app: str, release: str | None, by: str) -> Component:
    """The component that goes back to ``release``; without one to the newest good one before.

    + by: who rolls back, such as ``ada@laptop``
    """

    @component(report=report)
    def rollback(site: Site) -> None:
        folder_of_files(PROGRAM_FILES, into=f"{PROGRAMS}/releases")
        with noted(f"Rollback of {app}") as label:
            roll_back_app(name=label, app=app, release=release, by=by)

    return rollback
