"""The record of a deployment: schema 5.3, the shape of every file in the history.

Field names are those of the seed architecture; times are UTC (``YYYY-MM-DDTHH:MM:SSZ``), sizes
in the units that the names give. ``record.schema.json`` beside this file is generated from here.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

SCHEMA_VERSION: Literal["5.3"] = "5.3"
Action = Literal["deploy", "rollback", "teardown"]
Status = Literal["running", "completed", "failed", "interrupted"]
Stage = Literal["connect", "preflight", "prepare", "deploy", "verify"]
TargetStatus = Literal["pending", "running", "completed", "failed", "interrupted"]
ComponentStatus = Literal["pending", "running", "completed", "failed", "skipped", "interrupted"]
Time = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
# Of a deployment; state/ids.py makes it.
ID = r"^[0-9]{8}-[0-9]{6}-[0-9a-f]{6}$"
# The id of the key, and the HMAC-SHA256 of the text without the signature (state/signing.py).
Signature = Annotated[str, Field(pattern=r"^[0-9a-f]{12}:[0-9a-f]{64}$")]


class Part(BaseModel):
    """Any part of a record: unknown fields are refused, so that a typing error is found."""

    model_config = ConfigDict(extra="forbid", validate_assignment=True)


class Ci(Part):
    """The CI job that deployed."""

    system: str
    job: str | None = None
    url: str | None = None
    actor: str | None = None


class Deployer(Part):
    """Who deployed, and from where. ``pid`` tells whether a record is still being written."""

    user: str
    hostname: str
    ip: str
    pid: int
    ci: Ci | None = None
    git_revision: str | None = None
    git_dirty: bool | None = None

    @property
    def name(self) -> str:
        """The user and the computer, or the CI job and who started it."""
        if self.ci:
            job = " ".join(each for each in (self.ci.system, self.ci.job) if each)
            return f"{job} ({self.ci.actor})" if self.ci.actor else job
        return f"{self.user}@{self.hostname}"


class Config(Part):
    """What was deployed: the inventory's hash and every effective setting, by target.

    ``settings_from``: the deployment whose settings these are, where they are not the inventory's.
    ``only``, ``skip``: the components that were asked for, or to be left out.
    """

    inventory_sha256: Sha256
    script_version: str
    settings: dict[str, dict[str, Any]]
    settings_sha256: Sha256
    settings_from: str | None = None
    only: list[str] = []
    skip: list[str] = []


class Previous(Part):
    """The record before this one, and the hash of its file."""

    deployment_id: str
    sha256: Sha256


class Error(Part):
    """Why a target failed: where, with which command, and its last output."""

    stage: Stage
    message: str
    component: str | None = None
    operation: str | None = None
    command: str | None = None
    exit_code: int | None = None
    output: list[str] = []
    remedy: str | None = None


class Event(Part):
    """What was last said of a release: ``live``; ``bad``, at which ``step`` and with what
    ``output``; ``left``, by a rollback; or ``made``, and nobody saw it live. ``dump``: where the
    database is as it was before, on the target, if this release migrated it.
    """

    release: str
    event: Literal["made", "live", "bad", "left"]
    at: Time
    step: str = ""
    output: list[str] = []
    dump: str = ""


class HeldBack(Part):
    """A commit that no deployment releases since a rollback left its release: when, and who did."""

    release: str
    revision: str
    at: Time
    by: str


class Release(Part):
    """What serves of an application, as its target tells it; ``release`` is null before any did."""

    app: str
    release: str | None = None
    revision: str | None = None
    last: Event | None = None
    held: HeldBack | None = None


class Resource(Part):
    """One thing on a host: its kind, as in ``ResourcesCreated`` or one of the following, its name.

    ``data`` is what outlives its component: a path that a teardown keeps unless it is told to
    purge; so are ``remains``, of packages that it could not purge for the sake of their data.
    ``originals``: what stood at a path, kept for the day when ours goes. ``database_users``.
    """

    kind: str
    name: str


class Component(Part):
    """One component on one target. ``version`` is the installed one, as its host reports it.

    ``created`` and ``removed``: what this deployment created for it and took away, in order.
    """

    status: ComponentStatus = "pending"
    version: str | None = None
    started_at: Time | None = None
    completed_at: Time | None = None
    changed: int = 0
    unchanged: int = 0
    reason: str | None = None
    releases: list[Release] = []
    created: list[Resource] = []
    removed: list[Resource] = []


class Check(Part):
    """One thing that was verified at the end; ``problem`` is empty where it was proven."""

    name: str
    problem: str = ""
    remedy: str = ""


class ResourcesCreated(Part):
    """What this deployment created, by kind; what stood there before it is not listed."""

    packages: list[str] = []
    users: list[str] = []
    directories: list[str] = []
    files: list[str] = []
    services: list[str] = []
    firewall_rules: list[str] = []
    databases: list[str] = []
    artifacts: list[str] = []


class Target(Part):
    """One server of the deployment.

    ``leads``: where the address leads by ssh's configuration, if that is elsewhere.
    """

    role: str
    address: str
    leads: str = ""
    status: TargetStatus = "pending"
    started_at: Time | None = None
    completed_at: Time | None = None
    hardware: dict[str, Any] | None = None
    error: Error | None = None
    components: dict[str, Component] = {}
    resources_created: ResourcesCreated = ResourcesCreated()
    checks: list[Check] = []


class Record(Part):
    """One deployment.

    ``message``: the deployer's own words on it. ``seal``: the hash of all the rest, once closed.
    ``signature``: made with the operators' key; always the last field.
    """

    version: Literal["5.0", "5.1", "5.2", "5.3"] = SCHEMA_VERSION
    deployment_id: Annotated[str, Field(pattern=ID)]
    action: Action = "deploy"
    message: str = ""
    status: Status = "running"
    deployer: Deployer
    started_at: Time
    completed_at: Time | None = None
    duration_s: float | None = None
    config: Config
    tools: dict[str, str]
    previous: Previous | None = None
    targets: dict[str, Target] = {}
    seal: Sha256 | None = None
    signature: Signature | None = None

    def close(self, status: Status, completed_at: str) -> None:
        """Give the record and everything in it that is still open its last status."""
        self.status = status
        self.completed_at = completed_at
        for target in self.targets.values():
            if target.status == "running":
                target.status = "interrupted"
                target.completed_at = completed_at
            for component in target.components.values():
                if component.status == "running":
                    component.status = "interrupted"
                    component.completed_at = completed_at


def json_schema() -> dict[str, Any]:
    """The published JSON Schema (draft 2020-12) of a record."""
    schema = Record.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
