"""BENCH_TARGETS fake targets of the application stack, their records in BENCH_FOLDER."""

import os
from dataclasses import replace
from pathlib import Path

from state import options, run, seam
from state.scrubbing import Scrubber
from tasks.quoting import QUOTINGS
from tasks.stacks import needed_secrets
from tests.unit.helpers import configuration, made_secrets

_folder = Path(os.environ["BENCH_FOLDER"])
_names = [f"@fake/web{number}" for number in range(int(os.environ["BENCH_TARGETS"]))]
_lines = [f"  web{n}: {{role: vpsmanager, address: 10.9.1.{n + 1}}}" for n in range(len(_names))]
_settings = configuration(
    _folder,
    "targets:\n  watcher: {role: observability, address: 10.9.0.11}\n" + "\n".join(_lines) + "\n",
)
_targets = {
    name: target.model_copy(update={"name": name})
    for name, target in zip(_names, list(_settings.targets.values())[1:], strict=True)
}
_secrets = made_secrets(needed_secrets(_settings.targets.values()))
_scrubber = Scrubber(
    {name: secret.reveal() for name, secret in _secrets.items()}, QUOTINGS.values()
)
_scrubber.guard_streams()
_all = {"watcher": _settings.targets["watcher"], **_targets}
_run = run.Run(replace(_settings, targets=_all), options.read(), _folder, {}, _secrets, _scrubber)
run.begin(_run)
seam.install(_run)

vpsmanager: list[tuple[str, dict[str, object]]] = [(name, {}) for name in _names]
