"""The part of a record that a line in the history needs."""

from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import BaseModel, Field

from state.reading import Extract, Unreadable, extract
from state.store import Store


class _Ci(BaseModel):
    system: str
    job: str | None = None
    actor: str | None = None


class _Deployer(BaseModel):
    user: str
    hostname: str
    ci: _Ci | None = None


class _Component(BaseModel):
    changed: int = 0


class _Target(BaseModel):
    status: str
    completed_at: str | None = None
    components: dict[str, _Component] = {}


class Summary(Extract):
    """What a deployment was, in short."""

    action: str
    message: str = ""
    status: str
    deployer: _Deployer
    started_at: str
    completed_at: str | None = None
    duration_s: float | None = None
    targets: dict[str, _Target] = Field(default_factory=dict)

    @property
    def changes(self) -> int:
        """How many operations changed something."""
        return sum(
            component.changed
            for target in self.targets.values()
            for component in target.components.values()
        )

    @property
    def who(self) -> str:
        """The CI job, else user@host."""
        if ci := self.deployer.ci:
            job = " ".join(each for each in (ci.system, ci.job) if each)
            return f"{job} ({ci.actor})" if ci.actor else job
        return f"{self.deployer.user}@{self.deployer.hostname}"


@dataclass(frozen=True)
class Line:
    """A deployment of the history. ``problem``: why there is no summary of it.

    ``status``: what to say in the place of a status then.
    """

    deployment_id: str
    summary: Summary | None
    problem: str = ""
    status: str = "unreadable"


def newest_first(store: Store) -> Iterator[Line]:
    """The whole history, one record after the other."""
    for deployment_id in reversed(store.ids()):
        try:
            content = store.path_of(deployment_id).read_bytes()
            if not store.trusts(content):
                trust = str(store.judge(content))
                status = "altered" if trust == "altered" else "not signed"
                yield Line(deployment_id, None, f"left alone: {trust}", status)
                continue
            yield Line(deployment_id, extract(Summary, content))
        except Unreadable as error:
            yield Line(deployment_id, None, error.found)
        except OSError as error:
            yield Line(deployment_id, None, (error.strerror or str(error)).lower())
