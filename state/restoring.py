"""The settings of an earlier deployment: ``pyinfra inventory.py deploy.py --data from=ID``.

Addresses, SSH and roles stay today's, as do the secrets. A target that takes no part in the run
keeps today's settings, too: that is what it has.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from configs import Configuration, ConfigurationError, Problem, Settings
from configs.documents import Document, read
from configs.loader import DEFAULTS, judge
from configs.merging import Sources
from state import naming
from state.comparing import by_target, changes
from state.record import Record
from state.refusing import Refusal
from state.store import Store
from state.syncing import ACCEPT

KEY = "from"


@dataclass(frozen=True)
class Restored:
    """What is deployed instead of today's settings. ``differs``: what is not as today, in lines."""

    deployment_id: str
    configuration: Configuration
    differs: list[str]

    @property
    def lines(self) -> list[str]:
        """What the operator should know before anything is connected to."""
        begin = f"the settings are those of the deployment {self.deployment_id}"
        if not self.differs:
            return [f"{begin}, which are today's"]
        return [f"{begin}; today's → theirs:", *(f"  {each}" for each in self.differs)]


def from_data(
    data: Mapping[str, str], store: Store, today: Configuration, concerned: Collection[str]
) -> Restored | None:
    """What ``--data from=ID`` asks for; None where it is not given.

    concerned: the names of the targets that take part. Raises ConfigurationError.
    """
    if KEY not in data:
        return None
    if settings := [key for key in data if key.partition(".")[0] in Settings.model_fields]:
        raise ConfigurationError(
            Problem(
                "--data",
                key,
                f"a setting beside {KEY}={data[KEY]}",
                "one or the other: an earlier deployment's settings are deployed as they were",
                f"leave one of them out, or deploy with {KEY} first",
            )
            for key in settings
        )
    try:
        record = naming.read(store, data[KEY])
    except Refusal as refusal:
        problem = Problem("--data", KEY, refusal.found, refusal.expected, refusal.remedy)
        raise ConfigurationError([problem]) from None
    return restore(today, record, concerned)


def refuse_distrusted(restored: Restored, store: Store) -> None:
    """Refuse settings of a record that nobody vouches for. Raises ConfigurationError."""
    path = store.path_of(restored.deployment_id)
    trust = store.judge(path.read_bytes())
    if not store.trusts_id(restored.deployment_id):
        expected = "a record that is signed with the key of your secrets"
        remedy = f"look at it, and sign it if it is right: {ACCEPT} {restored.deployment_id}"
        raise ConfigurationError([Problem(str(path), KEY, f"{trust}", expected, remedy)])


def restore(today: Configuration, record: Record, concerned: Collection[str]) -> Restored:
    """Today's targets with the settings that a deployment had; checked as an inventory's are.

    A setting that is newer than the record has its default. concerned: the names of the targets
    that take part. Raises ConfigurationError.
    """
    snapshot = {
        name: record.config.settings.get(name) for name in today.targets if name in concerned
    }
    where = f"the deployment {record.deployment_id}"
    if unknown := [name for name, settings in snapshot.items() if settings is None]:
        raise ConfigurationError([_unknown(where, name, record) for name in unknown])
    if lost := [each for name in snapshot for each in _left_out(name, snapshot[name])]:
        raise ConfigurationError([_secret(where, key, record) for key in lost])
    now = {name: target.model_dump(mode="json") for name, target in today.targets.items()}
    targets = {
        name: {
            **{key: value for key, value in entry.items() if key != "name"},
            "settings": snapshot.get(name, entry["settings"]),
        }
        for name, entry in now.items()
    }
    defaults = read(DEFAULTS, remedy="put the file back as it was released")
    try:
        judged = judge(
            today.inventory_path, Sources(defaults, Document(where, data={"targets": targets}))
        )
    except ConfigurationError as error:
        raise ConfigurationError(_without_an_inventory(error, where, record)) from None
    then = {name: each.settings.model_dump(mode="json") for name, each in judged.targets.items()}
    return Restored(
        record.deployment_id,
        replace(today, targets=judged.targets),
        [str(each) for each in by_target({k: v["settings"] for k, v in now.items()}, then)],
    )


def _unknown(where: str, name: str, record: Record) -> Problem:
    known = list(record.config.settings)
    return Problem(
        where,
        f"config.settings.{name}",
        f"no settings of {name}",
        "settings of every target that takes part",
        f"leave it out: --limit {' --limit '.join(known)}"
        if known
        else "take a deployment that has settings; those of version 4 are not known",
    )


def _left_out(name: str, settings: Any) -> list[str]:
    """The keys of settings that a secret was found in when they were recorded."""
    found = changes({}, {name: settings})
    return [each.key for each in found if "[secret " in str(each.new)]


def _secret(where: str, key: str, record: Record) -> Problem:
    expected = "a value as it was deployed"
    return Problem(where, key, "a value without the secret in it", expected, _remedy(record))


def _without_an_inventory(error: ConfigurationError, where: str, record: Record) -> list[Problem]:
    """Nobody can correct what is recorded."""
    return [
        replace(each, remedy=_remedy(record)) if each.file == where else each
        for each in error.problems
    ]


def _remedy(record: Record) -> str:
    revision = record.deployer.git_revision
    how = f" (git checkout {revision})" if revision else ""
    return (
        f"take another deployment, or deploy this one with the project as it was then{how}, or "
        "write what you want of it into the inventory"
    )
