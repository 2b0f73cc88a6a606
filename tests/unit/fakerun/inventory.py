"""Two ``@fake`` targets in a real run: what inventory.py does, with the environment's answers.

FAKE_FOLDER: where settings and records go. FAKE_RESPONSES, FAKE_DELAYS: JSON for the connector.
"""

import json
import os
from dataclasses import replace
from pathlib import Path

from state import options, run, seam
from tests.unit.helpers import configuration

_folder = Path(os.environ["FAKE_FOLDER"])
_settings = configuration(_folder)
_targets = {
    f"@fake/{name}": target.model_copy(update={"name": f"@fake/{name}"})
    for name, target in _settings.targets.items()
}
_run = run.Run(replace(_settings, targets=_targets), options.read(), _folder, {})
run.begin(_run)
seam.install(_run)

_delays = json.loads(os.environ.get("FAKE_DELAYS", "{}"))


def _host(name: str) -> tuple[str, dict[str, object]]:
    return f"@fake/{name}", {
        "fake_responses": json.loads(os.environ.get("FAKE_RESPONSES", "{}")),
        "fake_delay": _delays.get(name, 0),
        "fake_delay_jitter": 0,
    }


observability = [_host("observability")]
vpsmanager = [_host("vpsmanager")]
