"""A signed apt repository made from .deb files, of the shape of vendors' own."""

from __future__ import annotations

import gzip
import hashlib
import shutil
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from tests.lab.shell import run
from tests.lab.signing import SigningKey

SUITE, COMPONENT = "stable", "main"
# As Grafana's repository has it.
ORIGIN = ". stable"
ARCHITECTURES = ("amd64", "arm64")
KEY_FILE = "gpg.key"
_SUMS = {"MD5sum": "md5", "SHA1": "sha1", "SHA256": "sha256"}


def build(
    packages: Iterable[Path],
    folder: Path,
    key: SigningKey,
    suite: str = SUITE,
    origin: str = ORIGIN,
) -> None:
    """Fill an empty folder with a repository of these packages, and its public key.

    Args:
        packages: .deb files; those for `all` architectures are listed under each.
        folder: Becomes the repository; made if it is missing.
        key: Signs it.
        suite: Its name.
        origin: The vendor's, by which apt's preferences and unattended-upgrades know it.

    Raises:
        LabError: A file is no package, or could not be signed.
    """
    placed = sorted(_into_pool(package, folder) for package in packages)
    stanzas = {path: stanza(path, path.relative_to(folder)) for path in placed}
    release = folder / "dists" / suite
    for architecture in ARCHITECTURES:
        index = release / COMPONENT / f"binary-{architecture}" / "Packages"
        index.parent.mkdir(parents=True, exist_ok=True)
        wanted = [text for text in stanzas.values() if _is_for(text, architecture)]
        index.write_text("\n".join(wanted))
        index.with_name("Packages.gz").write_bytes(gzip.compress(index.read_bytes(), mtime=0))
    indexes = [path for path in sorted(release.rglob("Packages*")) if path.is_file()]
    found = {str(path.relative_to(release)): path.read_bytes() for path in indexes}
    text = release_text(found, suite=suite, origin=origin)
    sign(release, text, key)
    (folder / KEY_FILE).write_text(key.public())


def sign(release: Path, text: str, key: SigningKey) -> None:
    """Write `Release`, `Release.gpg` and `InRelease` into a suite's folder."""
    (release / "Release").write_text(text)
    (release / "Release.gpg").write_text(key.sign_detached(text))
    (release / "InRelease").write_text(key.sign_inline(text))


def stanza(package: Path, name: Path) -> str:
    """A package's paragraph in `Packages`, which ends with a line break.

    Args:
        package: The .deb file.
        name: Where it is, below the repository's folder.
    """
    content = package.read_bytes()
    lines = [
        run("dpkg-deb", "--field", str(package)).stdout.strip(),
        f"Filename: {name}",
        f"Size: {len(content)}",
        *(f"{field}: {hashlib.new(kind, content).hexdigest()}" for field, kind in _SUMS.items()),
    ]
    return "".join(f"{line}\n" for line in lines)


def release_text(
    indexes: Mapping[str, bytes],
    now: datetime | None = None,
    suite: str = SUITE,
    origin: str = ORIGIN,
) -> str:
    """The text of `Release`.

    Args:
        indexes: The files that it vouches for, by their names below the suite's folder.
        now: Its date in UTC; the present by default.
        suite: Its name.
        origin: Whose it is.
    """
    date = (now or datetime.now(UTC)).strftime("%a, %d %b %Y %H:%M:%S UTC")
    head = [
        f"Origin: {origin}",
        "Label: lab mirror",
        f"Suite: {suite}",
        f"Codename: {suite}",
        f"Date: {date}",
        f"Architectures: {' '.join(ARCHITECTURES)}",
        f"Components: {COMPONENT}",
        "Description: in place of the vendor's own",
        "SHA256:",
    ]
    sums = [
        f" {hashlib.sha256(content).hexdigest()} {len(content):>9} {name}"
        for name, content in indexes.items()
    ]
    return "".join(f"{line}\n" for line in [*head, *sums])


def _into_pool(package: Path, folder: Path) -> Path:
    name = run("dpkg-deb", "--field", str(package), "Package").stdout.strip()
    place = folder / "pool" / COMPONENT / name[0] / name / package.name
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(package, place)
    return place


def _is_for(text: str, architecture: str) -> bool:
    return any(f"\nArchitecture: {each}\n" in text for each in ("all", architecture))
