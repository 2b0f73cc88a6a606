"""Checkpoint file: the positions up to which Loki has everything, replaced as a whole."""

from __future__ import annotations

import fcntl
import json
import os
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from . import recovery
from .generations import Identity, identity_of, unread
from .positions import entries, read_texts, rewound
from .settings import Settings

FILE = "checkpoint.json"
FORMAT = 1
# Something else is wrong with an older one, and Loki refuses entries of the journal that old: all
# that was read since is not to come a second time.
MAX_AGE_S = 7 * 24 * 3600


@dataclass(frozen=True)
class Checkpoint:
    """Positions of a moment.

    ``taken``: seconds since 1970. ``texts``: path of a positions file, relative to the shipper's
    folder → its text. ``files``: path of a log file → what the file was, as far as its position
    is one in it.
    """

    taken: float
    texts: Mapping[str, str]
    files: Mapping[str, Identity]

    def offsets(self) -> dict[str, int]:
        """Path → position of all log files."""
        return {entry.path: entry.offset for text in self.texts.values() for entry in entries(text)}


def take(settings: Settings) -> Checkpoint:
    """Read the present positions; raises `OSError` if a file went away meanwhile."""
    taken = time.time()
    read = read_texts(settings.positions_files())
    texts = {os.path.relpath(path, settings.data): text for path, text in read.items()}
    files = {}
    for text in texts.values():
        for entry in entries(text):
            with suppress(OSError):
                if os.stat(entry.path).st_size >= entry.offset:
                    files[entry.path] = identity_of(entry.path)
    return Checkpoint(taken, texts, files)


def load(settings: Settings) -> Checkpoint | None:
    """Read the checkpoint; None if there is none. Raises `ValueError` if it is not readable."""
    try:
        values = json.loads((settings.checkpoint / FILE).read_text())
    except FileNotFoundError:
        return None
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise ValueError(f"{settings.checkpoint / FILE} has another format than {FORMAT}")
    try:
        files = {path: Identity(**each) for path, each in values["files"].items()}
        return Checkpoint(float(values["taken"]), dict(values["texts"]), files)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{settings.checkpoint / FILE} lacks {error}") from error


def save(checkpoint: Checkpoint, settings: Settings) -> None:
    """Make this the checkpoint, and remove copies of rotated lines that it says were read.

    A power cut leaves the checkpoint of before or this one, never a part.
    """
    values: dict[str, Any] = {"format": FORMAT, **asdict(checkpoint)}
    settings.checkpoint.mkdir(mode=0o700, exist_ok=True)
    write(settings.checkpoint / FILE, json.dumps(values) + "\n")
    recovery.remove_read(settings.recovered, checkpoint.offsets())


def restore(settings: Settings, say: Callable[[str], None]) -> None:
    """Have the shipper start from the checkpoint; without one it starts from its own positions.

    What was rotated away since the checkpoint is copied to where the shipper reads it.
    """
    checkpoint = load(settings)
    if checkpoint is None:
        say("no checkpoint yet: the shipper starts from its own positions")
        return
    if time.time() - checkpoint.taken > MAX_AGE_S:
        say("the checkpoint is older than a week: the shipper starts from its own positions")
        return
    rotated = _recover_rotated(checkpoint, settings, say)
    for name, text in checkpoint.texts.items():
        place = settings.data / name
        place.parent.mkdir(parents=True, exist_ok=True)
        write(place, rewound(text, rotated) if rotated else text)
    for place in settings.positions_files():
        if os.path.relpath(place, settings.data) not in checkpoint.texts:
            # Nothing says that Loki has any line of it.
            place.unlink()


def _recover_rotated(
    checkpoint: Checkpoint, settings: Settings, say: Callable[[str], None]
) -> set[str]:
    """Copy the unread lines of rotated files; return the paths that have to be read from 0 on."""
    rotated = set()
    for path, offset in checkpoint.offsets().items():
        source = settings.source_of(path)
        if source is None:
            continue
        identity = checkpoint.files.get(path)
        if identity is None:
            rotated.add(path)
            continue
        missed = unread(path, offset, identity, checkpoint.taken)
        if missed is None:
            continue
        rotated.add(path)
        for generation, start in missed:
            name = os.path.basename(path)
            try:
                copy = recovery.recover(generation, start, settings.recovered / source.name, name)
            except (OSError, EOFError, zlib.error) as error:
                say(f"{generation.path}: lines from byte {start} on could not be copied: {error}")
                continue
            if copy:
                say(f"{generation.path}: lines from byte {start} on are in {copy}")
    return rotated


def write(path: Path, text: str) -> None:
    """Write a file as a whole, readable for its owner alone, and wait until the disk has it."""
    half = path.with_name(f"{path.name}.new")
    with suppress(FileNotFoundError):
        os.unlink(half)
    file = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        data = text.encode()
        while data:
            data = data[os.write(file, data) :]
        os.fsync(file)
    finally:
        os.close(file)
    os.replace(half, path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextmanager
def locked(settings: Settings) -> Iterator[None]:
    """Keep other commands of this program from changing the checkpoint."""
    settings.checkpoint.mkdir(mode=0o700, exist_ok=True)
    with (settings.checkpoint / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
