"""What is known of a lab between two commands: its file `lab.json`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.lab.machine import Machine
from tests.lab.process import Process
from tests.lab.size import Size

FORMAT = 1


@dataclass(frozen=True)
class State:
    """A lab that was brought up, and the processes that it runs as."""

    name: str
    subnet: str
    machines: Sequence[Machine]
    base: str
    mirror: Process
    booted: Mapping[str, Process]
    # False until every machine was seen to be up: whoever waits for that may be killed before.
    ready: bool = False

    def running(self) -> bool:
        """Whether all of its machines and the mirror run, and came up as they should."""
        processes = [self.mirror, *self.booted.values()]
        return self.ready and all(process.alive() for process in processes)

    def save(self, path: Path) -> None:
        """Write it whole or not at all."""
        half = path.with_suffix(".half")
        half.write_text(json.dumps({"format": FORMAT, **asdict(self)}, indent=2) + "\n")
        half.replace(path)


def load(path: Path) -> State | None:
    """Read a lab's state; None when there is none that can be read."""
    try:
        saved: dict[str, Any] = json.loads(path.read_text())
        if saved["format"] != FORMAT:
            return None
        return State(
            name=saved["name"],
            subnet=saved["subnet"],
            machines=[
                Machine(**{**machine, "size": Size(**machine["size"])})
                for machine in saved["machines"]
            ],
            base=saved["base"],
            mirror=Process(**saved["mirror"]),
            booted={name: Process(**each) for name, each in saved["booted"].items()},
            ready=saved["ready"],
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
