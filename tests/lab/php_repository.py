"""A PHP repository of the shape of Ondřej Surý's: Debian 12's PHP 8.2, for Debian 13."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.lab import apt_repository, grafana_repository, mirror
from tests.lab.base import SUITE, Base, locked
from tests.lab.shell import LabError, run

PLACE = "php"
KEY_FILE = "apt.gpg"
# Debian 13's own forbids all other versions, which the vendor's own does not.
COMMON = "php-common"
# Changes when the repository is built differently from the same packages.
FORMAT = 3
ORIGIN = "deb.sury.org"


@dataclass(frozen=True)
class PhpRepository:
    """A repository that the mirror serves, as a deployment needs to know it."""

    url: str
    fingerprint: str

    @property
    def key_url(self) -> str:
        """The public key, not in armour, as the vendor has it."""
        return f"{self.url}/{KEY_FILE}"

    def summary(self) -> str:
        """One line that says what in it is real."""
        return f"php: PHP 8.2 of Debian 12, real packages; {COMMON} older, without its Breaks"


def publish(base: Base, folder: Path) -> None:
    """Put the repository into the mirror's folder, unless it is there as it should be.

    Raises:
        LabError: A package could not be repackaged or signed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    debs = sorted(base.php_debs.glob("*.deb"))
    with locked(folder.with_name("mirror.lock")):
        signing = grafana_repository.key()
        names = [FORMAT, signing.fingerprint(), *(path.name for path in debs)]
        digest = hashlib.sha256(repr(names).encode()).hexdigest()
        notes = folder / PLACE / "lab.json"
        if notes.is_file() and json.loads(notes.read_text())["digest"] == digest:
            return
        with _packages(debs) as ready, grafana_repository.replacing(folder / PLACE) as made:
            apt_repository.build(ready, made, signing, suite=SUITE, origin=ORIGIN)
            signing.export(made / KEY_FILE)
            noted = {"digest": digest, "fingerprint": signing.fingerprint()}
            (made / "lab.json").write_text(json.dumps(noted, indent=2) + "\n")


def published(folder: Path, address: str) -> PhpRepository:
    """What the mirror at an address serves.

    Raises:
        LabError: Nothing was published yet.
    """
    notes = folder / PLACE / "lab.json"
    if not notes.is_file():
        raise LabError(f"{folder / PLACE} is no repository yet: bring a lab up first")
    return PhpRepository(
        f"{mirror.url(address)}/{PLACE}", json.loads(notes.read_text())["fingerprint"]
    )


def without_breaks(control: str) -> str:
    """The control file of a package that forbids no others, and is older than it was.

    Debian's own is newer then, as it was at times for the vendor's.
    """
    lines: list[str] = []
    dropping = False
    for line in control.splitlines():
        dropping = line.startswith("Breaks:") or (dropping and line[:1].isspace())
        if dropping:
            continue
        lines.append(f"{line}~lab1" if line.startswith("Version:") else line)
    return "".join(f"{line}\n" for line in lines)


@contextmanager
def _packages(debs: list[Path]) -> Iterator[list[Path]]:
    with tempfile.TemporaryDirectory(prefix="php-") as temporary:
        yield [
            _repackaged(deb, Path(temporary)) if deb.name.startswith(f"{COMMON}_") else deb
            for deb in debs
        ]


def _repackaged(deb: Path, folder: Path) -> Path:
    files, new = folder / "files", folder / deb.name
    run("dpkg-deb", "--raw-extract", str(deb), str(files))
    control = files / "DEBIAN/control"
    control.write_text(without_breaks(control.read_text()))
    run("dpkg-deb", "--build", "--root-owner-group", str(files), str(new))
    shutil.rmtree(files)
    return new
