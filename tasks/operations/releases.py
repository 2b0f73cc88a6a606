"""Releases of applications: the program on the host does all of one in a single command."""

import json
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from pyinfra import host, state
from pyinfra.api import StringCommand, operation
from pyinfra.api.exceptions import OperationError

from facts.conditions import Choice, ChoiceNow, Condition, ConditionNow
from facts.previews import release_change
from facts.services import STARTED_WITH
from facts.shell import sh
from facts.text import one_line
from tasks import effects
from tasks.archives import Archive
from tasks.operations.commands import Commands
from tasks.upcoming import Upcoming

# Where the program is (tasks/releases/host), and how it is called.
PROGRAMS = "/usr/local/lib/chom"
PROGRAM = (
    "env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8"
    f" PYTHONPATH={PROGRAMS} PYTHONDONTWRITEBYTECODE=1 python3 -s -m releases"
)


@operation()
def release_app(
    app: str, files: Archive | None, upcoming: Sequence[Upcoming], wanted: Mapping[str, Any]
) -> Commands:
    """Have what is wanted of ``app`` live; its description says what that is.

    ``files``: those of the release, where they are not in a repository. ``upcoming``: the
    operations that write what is wanted; before they ran, a plan asks them. ``wanted``: what is
    wanted, for a preview. Fails with the step and its output: the release is bad, and the one
    before serves.
    """
    # Of what is in a repository, its server is asked.
    asked = Condition if files else ConditionNow
    if host.get_fact(asked, shell=f"cd / && {PROGRAM} is-live {app}") and (
        state.is_executing or not any(each.will_change for each in upcoming)
    ):
        return
    if effects.is_listening():
        _preview(app, wanted)
    yield StringCommand(deploy_script(app), _stdin=files.base64 if files else "")


def _preview(app: str, wanted: Mapping[str, Any]) -> None:
    """Tell what comes with a release, if the program on the host can: it may not be there yet."""
    there = sh("test -e {program}", program=f"{PROGRAMS}/releases/preview.py")
    command = sh("preview {app} {wanted}", app=app, wanted=json.dumps(wanted))
    answer = host.get_fact(ChoiceNow, shell=f"{there} && cd / && {PROGRAM} {command}")
    what = f"Release of {app}"
    if answer[-1:] == [f"{app}: the step fetch failed"]:
        effects.tell("change", what, why=f"as it stands it will fail: {one_line(answer[1])}")
    elif release := release_change(answer):
        effects.tell("change" if release.old else "create", what, release=release)


@operation()
def roll_back_app(app: str, release: str | None, by: str) -> Commands:
    """Have an earlier release of ``app`` live: the newest good one, or the one of that name.

    + by: who rolls back, which later deployments show

    Raises OperationError where there is none.
    """
    named = shlex.quote(release) if release else ""
    chosen, *reasons = host.get_fact(Choice, shell=f"cd / && {PROGRAM} choose {app} {named}")
    if reasons:
        raise OperationError("; ".join(reasons))
    yield StringCommand(
        sh("cd / && " + PROGRAM + " rollback {app} {release} {by}", app=app, release=chosen, by=by)
    )


def deploy_script(app: str) -> str:
    """A shell script that goes on when the connection is lost, and tells what came of it."""
    return "; ".join(
        [
            "umask 077",
            f"mkdir -p {STARTED_WITH}",
            # Not into memory, where /run is: an application may be large.
            "files=$(mktemp /var/tmp/chom-XXXXXX)",
            f"log=$(mktemp {STARTED_WITH}/log-XXXXXX)",
            "trap 'rm -f $files $log' EXIT",
            "cat > $files || exit 1",
            f"cd /; {PROGRAM} deploy {app} < $files > $log 2>&1",
            "rc=$?",
            "[ $rc = 0 ] && cat $log || cat $log >&2",
            "exit $rc",
        ]
    )
