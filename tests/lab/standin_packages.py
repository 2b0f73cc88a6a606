"""Makes the stand-ins' .deb files from their folders in `standins`."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
from pathlib import Path

from tests.lab.pins import pinned
from tests.lab.shell import run

SOURCES = Path(__file__).with_name("standins")
NAMES = ("grafana", "loki", "promtail", "alloy")
PROGRAMS = SOURCES / "programs"
# "write-execute" dies at start where memory cannot be writable and executable, as 1.16 to 1.18.
# "overwrites-label" gives the journal's lines the component's name as `job`, as 1.19.0.
FLAVOURS = {
    "grafana": ("plain",),
    "loki": ("plain",),
    "promtail": ("plain",),
    "alloy": ("write-execute", "plain", "overwrites-label"),
}
# The same sources give the same package, byte for byte, whenever and wherever it is made.
BUILT_AT = 1735689600


def source_files(name: str) -> dict[str, Path]:
    """What a stand-in is made of: by the path in its package, the file that goes there."""
    own = {str(path.relative_to(SOURCES / name)): path for path in _files(SOURCES / name)}
    programs = f"usr/lib/{name}-standin/programs"
    return {**own, **{f"{programs}/{path.name}": path for path in _files(PROGRAMS)}}


def digest(name: str, version: str | None = None, flavour: str | None = None) -> str:
    """Changes whenever the package would come out differently."""
    summed = hashlib.sha256(_description(name, version, flavour).encode())
    for place, path in sorted(source_files(name).items()):
        content = path.read_bytes()
        summed.update(f"{place} {_mode(path):o} {len(content)}\n".encode() + content)
    return summed.hexdigest()


def build(name: str, folder: Path, version: str | None = None, flavour: str | None = None) -> Path:
    """Make one stand-in's .deb in a folder, and return it.

    Args:
        name: The package.
        folder: Where it goes; it may hold other versions.
        version: The package's; by default the pinned one.
        flavour: One of `FLAVOURS`; by default the first.

    Raises:
        LabError: dpkg-deb refused its files.
    """
    with tempfile.TemporaryDirectory(prefix="standin-") as temporary:
        root = Path(temporary, "root")
        for place, path in source_files(name).items():
            copy = root / place
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
            copy.chmod(_mode(path))
        control = root / "DEBIAN/control"
        control.write_text(
            re.sub(r"(?m)^Version: .*$", f"Version: {_version(name, version)}", control.read_text())
        )
        described = root / f"usr/lib/{name}-standin/programs/package.json"
        described.write_text(_description(name, version, flavour))
        described.chmod(0o644)
        for path in [root, *root.rglob("*")]:
            if path.is_dir():
                path.chmod(0o755)
            os.utime(path, (BUILT_AT, BUILT_AT))
        env = {**os.environ, "SOURCE_DATE_EPOCH": str(BUILT_AT)}
        run("dpkg-deb", "--build", "--root-owner-group", str(root), str(folder), env=env)
    return folder / f"{name}_{_version(name, version)}_all.deb"


def _version(name: str, version: str | None) -> str:
    return version or pinned(name)


def _description(name: str, version: str | None, flavour: str | None) -> str:
    """What the package tells its program of itself (programs/package.py)."""
    flavour = flavour or FLAVOURS[name][0]
    if flavour not in FLAVOURS[name]:
        raise ValueError(f"{name} has no flavour {flavour}: {', '.join(FLAVOURS[name])}")
    return json.dumps({"version": _version(name, version), "flavour": flavour}) + "\n"


def _files(folder: Path) -> list[Path]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return [path for path in found if "__pycache__" not in path.parts]


def _mode(path: Path) -> int:
    # Whatever the umask was when this project was cloned.
    return 0o755 if path.stat().st_mode & 0o100 else 0o644
