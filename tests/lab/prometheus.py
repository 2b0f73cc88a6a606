"""Prometheus releases of upstream's shape, made from the programs of Debian's packages."""

from __future__ import annotations

import gzip
import hashlib
import re
import tarfile
import tempfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from tests.lab.base import MIRRORED_SUITES, Base, locked
from tests.lab.shell import LabError, run

RELEASES = "prometheus/prometheus/releases/download"
_TARBALL = re.compile(r"  prometheus-(\d+\.\d+\.\d+)\.linux-(\w+)\.tar\.gz\n")


@dataclass(frozen=True)
class Release:
    """What the mirror serves: a version and its tarball's checksum."""

    version: str
    architecture: str
    sha256: str


def upstream_version(debian_version: str) -> str:
    """`2.53.3` of `2.53.3+ds1-2`."""
    match = re.match(r"(?:\d+:)?(\d+\.\d+\.\d+)", debian_version)
    if not match:
        raise LabError(f"{debian_version!r} is no version of Prometheus")
    return match[1]


def publish(base: Base, mirror: Path) -> list[Release]:
    """Put the releases into the mirror's folder, unless they are there; the oldest comes first."""
    mirror.mkdir(parents=True, exist_ok=True)
    with locked(mirror.with_name("mirror.lock")):
        releases = [_publish(base.debs / suite, mirror) for suite in MIRRORED_SUITES]
    return sorted(releases, key=lambda release: _order(release.version))


def published(mirror: Path) -> list[Release]:
    """Releases that the mirror's folder holds; the oldest comes first.

    Raises:
        LabError: Nothing was published yet.
    """
    releases = [
        Release(match[1], match[2], sums.read_text().split()[0])
        for sums in (mirror / RELEASES).glob("v*/sha256sums.txt")
        if (match := _TARBALL.search(sums.read_text()))
    ]
    if not releases:
        raise LabError(f"{mirror / RELEASES} has no release yet: bring a lab up first")
    return sorted(releases, key=lambda release: _order(release.version))


def _publish(packages: Path, mirror: Path) -> Release:
    """Publish the release that the packages in a folder hold; the mirror is locked."""
    [package] = packages.glob("prometheus_*.deb")
    version = upstream_version(_field(package, "Version"))
    architecture = _field(package, "Architecture")
    name = f"prometheus-{version}.linux-{architecture}"
    folder = mirror / RELEASES / f"v{version}"
    sums = folder / "sha256sums.txt"
    folder.mkdir(parents=True, exist_ok=True)
    if f"  {name}.tar.gz\n" not in (sums.read_text() if sums.exists() else ""):
        archive = _archive(packages, name)
        _write_whole(folder / f"{name}.tar.gz", archive)
        line = f"{hashlib.sha256(archive).hexdigest()}  {name}.tar.gz\n"
        _write_whole(sums, line.encode())
    return Release(version, architecture, sums.read_text().split()[0])


def _archive(packages: Path, name: str) -> bytes:
    with tempfile.TemporaryDirectory(prefix="prometheus-") as temporary:
        unpacked = Path(temporary)
        for package in sorted(packages.glob("*.deb")):
            run("dpkg-deb", "--extract", str(package), str(unpacked))
        documents = unpacked / "usr/share/doc/prometheus"
        return tar_gz(
            name,
            {
                "LICENSE": documents / "copyright",
                "NOTICE": documents / "NOTICE",
                "prometheus": unpacked / "usr/bin/prometheus",
                "prometheus.yml": unpacked / "etc/prometheus/prometheus.yml",
                "promtool": unpacked / "usr/bin/promtool",
            },
        )


def _order(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]


def tar_gz(top: str, files: dict[str, Path]) -> bytes:
    """A .tar.gz of `files` (by name) below the folder `top`; the same files give the same bytes."""
    buffer = BytesIO()
    with (
        gzip.GzipFile(fileobj=buffer, mode="wb", compresslevel=1, mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.GNU_FORMAT) as archive,
    ):
        archive.addfile(_entry(top, tarfile.DIRTYPE, 0o755))
        for name, path in sorted(files.items()):
            entry = _entry(f"{top}/{name}", tarfile.REGTYPE, path.stat().st_mode & 0o755)
            entry.size = path.stat().st_size
            with path.open("rb") as content:
                archive.addfile(entry, content)
    return buffer.getvalue()


def _entry(name: str, kind: bytes, mode: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode = kind, mode
    # As upstream's: whoever unpacks it as root gets files that belong to some other user.
    entry.uid = entry.gid = 1001
    entry.uname = entry.gname = "circleci"
    return entry


def _field(package: Path, field: str) -> str:
    return run("dpkg-deb", "--field", str(package), field).stdout.strip()


def _write_whole(path: Path, content: bytes) -> None:
    """Readers see the old file or the new one, never half of it."""
    half = path.with_name(f".{path.name}.half")
    half.write_bytes(content)
    half.replace(path)
