"""A record as it is opened: who deploys what, from where, to which machines."""

import json
import platform
from collections.abc import Iterable, Mapping
from hashlib import sha256
from importlib.metadata import version
from typing import Any

from configs import Configuration
from configs.routes import route_of
from state.options import Options
from state.preflight import Preflight
from state.record import Config, Deployer, Previous, Record, Target
from state.store import now

SCRIPT_VERSION = "5.0.0"


def new_record(
    deployment_id: str,
    deployer: Deployer,
    options: Options,
    config: Config,
    previous: Previous | None,
    targets: dict[str, Target],
) -> Record:
    """The record of a run that begins now."""
    return Record(
        deployment_id=deployment_id,
        action=options.action or "deploy",
        message=options.message,
        deployer=deployer,
        started_at=now(),
        config=config,
        tools={"python": platform.python_version(), "pyinfra": version("pyinfra")},
        previous=previous,
        targets=targets,
    )


def config_of(configuration: Configuration, options: Options, settings_from: str | None) -> Config:
    """What is deployed."""
    settings = settings_of(configuration)
    return Config(
        inventory_sha256=configuration.inventory_sha256,
        script_version=SCRIPT_VERSION,
        settings=settings,
        settings_sha256=sha256_of(settings),
        settings_from=settings_from,
        only=list(options.only),
        skip=list(options.skip),
    )


def settings_of(configuration: Configuration) -> dict[str, Any]:
    """Target → its settings, as a record has them."""
    targets = configuration.targets.values()
    return {target.name: target.settings.model_dump(mode="json") for target in targets}


def sha256_of(settings: Mapping[str, Any]) -> str:
    """The hash of all settings, in hex."""
    return sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def targets_of(
    configuration: Configuration, names: Iterable[str], found: Preflight
) -> dict[str, Target]:
    """The targets that take part, as they begin."""
    targets = {}
    for name in names:
        target, error = configuration.targets[name], found.errors.get(name)
        hardware = found.hardware.get(name)
        targets[name] = Target(
            role=target.role,
            address=target.address,
            leads=route_of(target.address, target.ssh).destination,
            status="failed" if error else "pending",
            hardware=dict(hardware) if hardware else None,
            error=error,
        )
    return targets
