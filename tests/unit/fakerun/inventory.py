"""Two ``@fake`` targets in a real run: what inventory.py does, with the environment's answers.

FAKE_FOLDER: where settings and records go. FAKE_RESPONSES, FAKE_DELAYS: JSON for the connector.
FAKE_FROM: the deployment whose settings these are said to be.
"""

import json
import os
import sys
from dataclasses import replace
from pathlib import Path

from state import confirming, options, run, seam, selecting
from state.scrubbing import Scrubber
from tasks.teardown.request import plans
from tests.unit.fakerun.stacks import STACKS
from tests.unit.helpers import KEY, configuration, made_secrets

_folder = Path(os.environ["FAKE_FOLDER"])
_settings = configuration(_folder)
_targets = {
    f"@fake/{name}": target.model_copy(update={"name": f"@fake/{name}"})
    for name, target in _settings.targets.items()
}
_secrets = made_secrets(
    need
    for name in STACKS
    for item in STACKS[name]
    for need in item.secrets(_settings.targets[name])
)
_scrubber = Scrubber({name: secret.reveal() for name, secret in _secrets.items()})
_scrubber.guard_streams()
_settings = replace(_settings, targets=_targets)
_options = options.read()
_run = run.Run(_settings, _options, _folder, {}, _secrets, _scrubber, KEY)
if _options.action == "deploy":
    _run.selection = selecting.select(STACKS, _options.only, _options.skip)
_run.settings_from = os.environ.get("FAKE_FROM")
run.begin(_run)
seam.install(_run)
if _options.action == "teardown":
    _plans = plans(_targets.values(), _run.owned_resources, _options.data, STACKS)
    _plans = {name: found for name, found in _plans.items() if found.every}
    try:
        confirming.confirm(list(_plans), {} if _options.dry else _options.data, list(_targets))
    except confirming.NotConfirmed as _problem:
        sys.exit(str(_problem))

_delays = json.loads(os.environ.get("FAKE_DELAYS", "{}"))


def _host(name: str) -> tuple[str, dict[str, object]]:
    return f"@fake/{name}", {
        "fake_responses": json.loads(os.environ.get("FAKE_RESPONSES", "{}")),
        "fake_delay": _delays.get(name, 0),
        "fake_delay_jitter": 0,
    }


observability = [_host("observability")]
vpsmanager = [_host("vpsmanager")]
