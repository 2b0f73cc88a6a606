"""Grafana's apt repository as the mirror has it: of stand-ins, and of real packages if given."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from tests.lab import apt_repository, mirror, paths, standin_packages
from tests.lab.base import locked
from tests.lab.pins import newest_first, pinned
from tests.lab.shell import LabError, run
from tests.lab.signing import SigningKey

PLACE = "grafana"
# Where a folder with real .deb files is named; each takes the place of its stand-in.
DEBS_VARIABLE = "CHOM_LAB_DEBS"
OWNER = "Lab mirror <mirror@lab.invalid>"
# Changes when repositories are built differently from the same packages.
FORMAT = 2


class Standin(NamedTuple):
    """A version of a stand-in, and how it behaves; None: as the package does by default."""

    name: str
    version: str
    flavour: str | None = None


# What upgrades and steps back are tried with, beside the pinned version of each package. None is
# newer than a broken one is, so `latest` is a release that works.
OTHERS = (
    Standin("grafana", "13.2.0"),
    Standin("grafana", "13.2.4"),
    Standin("loki", "3.7.5"),
    Standin("loki", "3.7.7"),
    Standin("alloy", "1.19.0-1", "overwrites-label"),
    Standin("alloy", "1.21.2-1", "plain"),
    Standin("promtail", "3.6.14"),
)


def standins() -> tuple[Standin, ...]:
    """The stand-ins that the repository has: the pinned version of each package, and others."""
    return (*(Standin(name, pinned(name)) for name in standin_packages.NAMES), *OTHERS)


@dataclass(frozen=True)
class Repository:
    """A repository that the mirror serves, as a deployment needs to know it.

    Args:
        url: What goes into `URIs:`; its suite is `stable`, its component `main`.
        fingerprint: Of the key that signs it, forty hexadecimal digits.
        standins: The packages in it that are not the real ones.
        versions: Package → its versions, newest first.
    """

    url: str
    fingerprint: str
    standins: tuple[str, ...]
    versions: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def key_url(self) -> str:
        """The ASCII-armoured public key."""
        return f"{self.url}/{apt_repository.KEY_FILE}"

    @property
    def sources(self) -> str:
        """The text of a deb822 file below `/etc/apt/sources.list.d`, but for `Signed-By:`."""
        return (
            f"Types: deb\nURIs: {self.url}\nSuites: {apt_repository.SUITE}\n"
            f"Components: {apt_repository.COMPONENT}\n"
        )

    def summary(self) -> str:
        """One line that says what in it is real."""
        names = standin_packages.NAMES
        real = [name for name in names if name not in self.standins]
        if not self.standins:
            return f"{', '.join(real)}: real packages, from {DEBS_VARIABLE}"
        hint = f"({DEBS_VARIABLE} names a folder of real ones)"
        line = f"{', '.join(self.standins)}: stand-ins {hint}"
        return f"{line}; {', '.join(real)}: real packages" if real else line


def publish(folder: Path) -> None:
    """Put the repository into the mirror's folder, unless it is there as it should be.

    Every lab of the cache shares it: which packages are real is decided by the last to come up.

    Raises:
        LabError: `CHOM_LAB_DEBS` names no folder, or a package could not be built or signed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    real = real_packages(os.environ.get(DEBS_VARIABLE, ""))
    with locked(folder.with_name("mirror.lock")):
        signing = key()
        wanted = _digest(real, signing.fingerprint())
        if _notes(folder).get("digest") == wanted:
            return
        with packages(real) as debs, replacing(folder / PLACE) as made:
            apt_repository.build(debs, made, signing)
            # As the vendor's file, which has its former keys as well.
            (made / apt_repository.KEY_FILE).write_text(former_key().public() + signing.public())
            names = [name for name in standin_packages.NAMES if name not in real]
            notes = {
                "digest": wanted,
                "fingerprint": signing.fingerprint(),
                "standins": names,
                "versions": _versions_of(debs),
            }
            (made / "lab.json").write_text(json.dumps(notes, indent=2) + "\n")


def published(folder: Path, address: str) -> Repository:
    """What the mirror at an address serves.

    Raises:
        LabError: Nothing was published yet.
    """
    notes = _notes(folder)
    if not notes:
        raise LabError(f"{folder / PLACE} is no repository yet: bring a lab up first")
    url = f"{mirror.url(address)}/{PLACE}"
    return Repository(
        url, notes["fingerprint"], tuple(notes["standins"]), notes.get("versions", {})
    )


def key() -> SigningKey:
    """The mirror's own key, made once for each cache."""
    return SigningKey(paths.cache() / "signing-key").create(OWNER)


def former_key() -> SigningKey:
    """A key that signs nothing any more, made once for each cache; no deployment accepts it."""
    return SigningKey(paths.cache() / "former-signing-key").create("Former key <old@lab.invalid>")


def real_packages(folder: str) -> dict[str, list[Path]]:
    """The .deb files of a folder by package, as far as they have a stand-in.

    Args:
        folder: Its path; empty for none. It may hold several versions of a package.

    Raises:
        LabError: It is not there, has one version of a package twice, or none that is of use.
    """
    if not folder:
        return {}
    if not Path(folder).is_dir():
        raise LabError(f"{DEBS_VARIABLE}={folder} is no folder: it holds .deb files, or is not set")
    found: dict[str, dict[str, Path]] = {}
    for deb in sorted(Path(folder).glob("*.deb")):
        name, version = _name_and_version(deb)
        if version in found.get(name, {}):
            raise LabError(
                f"{DEBS_VARIABLE}={folder} has {name} {version} twice: remove {deb.name}"
            )
        if name in standin_packages.NAMES:
            found.setdefault(name, {})[version] = deb
    if not found:
        wanted = ", ".join(standin_packages.NAMES)
        raise LabError(f"{DEBS_VARIABLE}={folder} has no .deb of any of {wanted}")
    return {name: list(versions.values()) for name, versions in found.items()}


@contextmanager
def packages(real: dict[str, list[Path]]) -> Iterator[list[Path]]:
    """The .deb files of a repository: the real ones, and stand-ins made for the others."""
    with tempfile.TemporaryDirectory(prefix="standins-") as temporary:
        built = [
            standin_packages.build(name, Path(temporary), version, flavour)
            for name, version, flavour in standins()
            if name not in real
        ]
        yield [*(deb for debs in real.values() for deb in debs), *built]


def _versions_of(debs: Iterable[Path]) -> dict[str, list[str]]:
    """Package → its versions, newest first."""
    found: dict[str, list[str]] = {}
    for name, version in map(_name_and_version, debs):
        found.setdefault(name, []).append(version)
    return {name: newest_first(versions) for name, versions in found.items()}


def _name_and_version(deb: Path) -> tuple[str, str]:
    shown = run("dpkg-deb", "--show", "--showformat=${Package} ${Version}", str(deb)).stdout
    name, version = shown.split()
    return name, version


@contextmanager
def replacing(place: Path) -> Iterator[Path]:
    """An empty folder that takes the place of another when it is full.

    The place itself is a link, so a reader finds the old folder or the new one, never a half.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=f".{place.name}-", dir=place.parent))
    try:
        made.chmod(0o755)
        yield made
        link = made.with_name(f"{made.name}.link")
        link.symlink_to(made.name)
        link.replace(place)
    except BaseException:
        shutil.rmtree(made)
        raise
    for old in place.parent.glob(f".{place.name}-*"):
        if old != made:
            shutil.rmtree(old)


def _digest(real: dict[str, list[Path]], fingerprint: str) -> str:
    parts = [
        *(FORMAT, fingerprint),
        *((each, standin_packages.digest(*each)) for each in standins() if each.name not in real),
        *(
            (str(path), path.stat().st_size, path.stat().st_mtime_ns)
            for debs in real.values()
            for path in debs
        ),
    ]
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _notes(folder: Path) -> dict[str, Any]:
    try:
        found = json.loads((folder / PLACE / "lab.json").read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
