"""Who works on a target or in a checkout, since when, and for what: what a lock says of itself."""

import json
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime

from state.record import Deployer


@dataclass(frozen=True)
class Holder:
    """``since``: UTC, as records write it. ``action``: as the record has it, or another command."""

    user: str
    hostname: str
    since: str
    action: str
    deployment_id: str = ""
    message: str = ""
    ci_job: str = ""
    pid: int = 0

    def __str__(self) -> str:
        """For a sentence that begins with what is held."""
        text = f"{self.by}, since {self.since}{_ago(self.since)}"
        text += f": {self.action} {self.deployment_id}".rstrip()
        return text + (f', "{self.message}"' if self.message else "")

    @property
    def by(self) -> str:
        job = f" (CI job {self.ci_job})" if self.ci_job else ""
        return f"{self.user}@{self.hostname}{job}"

    def to_json(self) -> str:
        """On one line."""
        return json.dumps(asdict(self))


def holder_of(deployer: Deployer, since: str, action: str) -> Holder:
    """What a deployer's lock says; the deployment's id may come later."""
    job = (deployer.ci.job or deployer.ci.system) if deployer.ci else ""
    return Holder(
        user=deployer.user,
        hostname=deployer.hostname,
        since=since,
        action=action,
        ci_job=job,
        pid=deployer.pid,
    )


def read_holder(text: str) -> Holder | None:
    """What ``to_json`` wrote; None for anything else."""
    try:
        found = json.loads(text)
        return Holder(**{each.name: found[each.name] for each in fields(Holder)})
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _ago(since: str) -> str:
    try:
        seconds = int((datetime.now(UTC) - datetime.fromisoformat(since)).total_seconds())
    except ValueError:
        return ""
    if seconds < 0:  # another computer's clock
        return ""
    return f" ({seconds} s ago)" if seconds < 120 else f" ({seconds // 60} min ago)"
