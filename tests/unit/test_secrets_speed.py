"""What loading costs: `python -m tests.unit.test_secrets_speed` prints it."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from configs import PROJECT
from configs.secrets import load_secrets, random_value
from configs.secrets.initialising import initialise
from configs.secrets.store import open_store
from state.scrubbing import Scrubber
from tasks.quoting import QUOTINGS

COUNT = 200


def prepared(folder: Path) -> dict[str, str]:
    """The environment of a file with that many secrets."""
    environ = {
        "CHOM_SECRETS_FILE": str(folder / ".secrets.env"),
        "CHOM_SECRETS_KEY_FILE": str(folder / "secrets.key"),
    }
    path = folder / ".secrets.env"
    initialise(path, environ)
    open_store(path, environ).write(
        {f"SECRET_{number}": random_value("password") for number in range(COUNT)}
    )
    return environ


def test_many_secrets_load(tmp_path: Path) -> None:
    assert len(load_secrets(environ=prepared(tmp_path))) == COUNT


def _measure() -> None:
    with tempfile.TemporaryDirectory() as folder:
        environ = prepared(Path(folder))
        rounds = []
        for _ in range(20):
            begun = time.perf_counter()
            secrets = load_secrets(environ=environ)
            Scrubber({each.name: each.reveal() for each in secrets.values()}, QUOTINGS.values())
            rounds.append((time.perf_counter() - begun) * 1000)
    rounds.sort()
    print(f"{COUNT} secrets, loaded and known to the scrubber:")
    print(f"median {rounds[10]:.1f} ms, slowest {rounds[-1]:.1f} ms of 20")
    code = "import time, configs; t = time.perf_counter(); import configs.secrets; "
    code += "print(f'importing configs.secrets: {(time.perf_counter() - t) * 1000:.0f} ms')"
    subprocess.run([sys.executable, "-c", code], cwd=PROJECT, check=True)


if __name__ == "__main__":
    _measure()
