"""What a run came to, as its summaries need it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from pydantic import BaseModel, Field

from state.reading import Extract
from state.record import Record, Release
from state.release_words import held_back, restore_command
from state.store import Store
from state.timings import Timings

# A component that was left out for longer than that is told as new.
LOOKS_BACK = 20


@dataclass(frozen=True)
class Outcome:
    """``path``: of the record. ``urls``: target → where to look. ``warnings``: worth knowing.

    ``versions``: target → what is new or another version ("prometheus 3.8.0 → 3.8.1").
    """

    record: Record
    path: Path
    urls: Mapping[str, Sequence[str]]
    warnings: Sequence[str]
    timings: Timings
    versions: Mapping[str, Sequence[str]]

    @property
    def title(self) -> str:
        """What was done, and how it ended."""
        record = self.record
        return f"{_ACTIONS[record.action]} {record.deployment_id} {record.status}"

    @property
    def changed(self) -> bool:
        return any(map(self.changes, self.record.targets))

    def changes(self, target: str) -> list[str]:
        """The components that changed something there, with how many operations did."""
        components = self.record.targets[target].components
        return [f"{name} {each.changed}" for name, each in components.items() if each.changed]

    def line(self, target: str) -> str:
        """How a target ended."""
        found = self.record.targets[target]
        done = [each for each in found.components.values() if each.status == "completed"]
        changed = sum(each.changed for each in found.components.values())
        text = f"{found.status}: {len(done)} of {len(found.components)} components"
        text += f", {changed} changes"
        seconds = self.timings.lanes.get(target)
        return text if seconds is None else f"{text}, {seconds:.1f} s"

    @property
    def looks(self) -> list[str]:
        """The URLs of the targets that are completed."""
        return [
            address
            for name, addresses in self.urls.items()
            if self.record.targets[name].status == "completed"
            for address in addresses
        ]

    @property
    def releases(self) -> list[tuple[str, str]]:
        """Target and what it tells of an application, for each of them."""
        return [
            (name, _told(release, self.record.started_at))
            for name, target in self.record.targets.items()
            for component in target.components.values()
            for release in component.releases
        ]


_ACTIONS = {"deploy": "Deployment", "rollback": "Rollback", "teardown": "Teardown"}


class _Component(BaseModel):
    version: str | None = None


class _Target(BaseModel):
    components: dict[str, _Component] = {}


class Versions(Extract):
    """The part of a record that tells what is installed."""

    targets: dict[str, _Target] = Field(default_factory=dict)


def new_versions(record: Record, store: Store) -> dict[str, list[str]]:
    """Target → versions that a deployment brought, with those that were there before."""
    components = {
        (target, name): component
        for target, each in record.targets.items()
        for name, component in each.components.items()
    }
    if not any(each.changed for each in components.values()):
        return {}
    now = {key: each.version for key, each in components.items() if each.version}
    before = _before(now, record.deployment_id, store)
    found: dict[str, list[str]] = {target: [] for target, _ in now}
    for (target, name), version in now.items():
        old = before.get((target, name))
        if old is None and components[target, name].changed:
            found[target].append(f"{name} {version}")
        elif old not in (None, version):
            found[target].append(f"{name} {old} → {version}")
    return {target: lines for target, lines in found.items() if lines}


def _before(
    wanted: Mapping[tuple[str, str], str], deployment_id: str, store: Store
) -> dict[tuple[str, str], str]:
    found: dict[tuple[str, str], str] = {}
    earlier = (each for each in reversed(store.ids()) if each < deployment_id)
    for each in islice(earlier, LOOKS_BACK):
        if wanted.keys() <= found.keys():
            break
        told = store.extract(Versions, each)
        for target, components in told.targets.items() if told else ():
            for name, component in components.components.items():
                if component.version:
                    found.setdefault((target, name), component.version)
    return found


def _told(release: Release, since: str) -> str:
    """What serves of an application, in a line; and what was done to it ``since``."""
    text = f"{release.app}: {release.release or 'no release'}"
    last = release.last if release.last and release.last.at >= since else None
    if last and last.event == "bad":
        text += f"; {last.release} is bad: {last.step}"
    if last and last.dump:
        text += f"; to have the database as before: {restore_command(release.app, last.dump)}"
    if release.held:
        text += f"; {held_back(release.app, release.held)}"
    return text
