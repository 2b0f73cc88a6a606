"""Settings of the program, written by the deploy as JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path


@dataclass(frozen=True)
class Source:
    """Log files that the shipper reads alike.

    ``files``: the shell pattern of their paths.
    """

    name: str
    files: str


@dataclass(frozen=True)
class Settings:
    """Description of the shipper.

    ``data``: the shipper's own folder. ``positions``: the pattern of its positions files below
    ``data``. ``metrics_url``: the metrics page on loopback. ``metrics_prefix``: how the names of
    the sending queue's metrics begin. ``hosts``: how many Lokis the shipper sends to.
    """

    data: Path
    positions: str
    metrics_url: str
    metrics_prefix: str
    sources: tuple[Source, ...]
    hosts: int

    @classmethod
    def read(cls, path: Path) -> Settings:
        """Read the settings; raises `OSError` or `ValueError` if that fails."""
        values = json.loads(path.read_text())
        values["data"] = Path(values["data"])
        values["sources"] = tuple(Source(**source) for source in values["sources"])
        return cls(**values)

    @property
    def checkpoint(self) -> Path:
        """The folder of the checkpoint."""
        return self.data / "checkpoint"

    @property
    def recovered(self) -> Path:
        """The folder of copies of rotated lines, with a folder for each source."""
        return self.data / "recovered"

    def source_of(self, path: str) -> Source | None:
        """The source that a log file belongs to, if any."""
        return next((source for source in self.sources if fnmatch(path, source.files)), None)

    def positions_files(self) -> list[Path]:
        """The positions files that the shipper has written."""
        return sorted(self.data.glob(self.positions))
