"""Fill the folder of a release: run by path, as the build user in its sandbox, never as root.

``contents.py unpack FOLDER`` reads a tarball; ``contents.py furnish FOLDER SHARED SCRATCH`` gives
a release what all releases of its application have in common.
"""

import io
import os
import shutil
import sys
import tarfile
from pathlib import Path

# Laravel does not make these, and does not start without them.
SCRATCH_FOLDERS = (
    *("app/public", "framework/cache/data", "framework/sessions"),
    *("framework/views", "framework/testing", "logs"),
)


class Refused(Exception):
    """Files that no release may have."""


def unpack(folder: Path) -> None:
    """Extract the tarball on standard input, compressed or not, into an empty folder.

    Raises Refused for members that lead out of it, and for a tarball that is cut off.
    """
    try:
        # Whole, as a stream that is cut off would not be noticed.
        with tarfile.open(fileobj=io.BytesIO(sys.stdin.buffer.read()), mode="r:*") as tar:
            tar.extractall(folder, filter="data")
    except tarfile.FilterError as error:
        raise Refused(f"there is what no release may have: {error}") from None
    except (tarfile.TarError, EOFError, OSError) as error:
        raise Refused(f"the files did not arrive whole: {error}") from None


def furnish(release: Path, shared: Path, scratch: Path) -> None:
    """Link the shared storage and settings into a release, and mark it with its name.

    Raises Refused if ``bootstrap`` or ``public`` would not be a folder of the release's own.
    """
    for name in ("storage", ".env"):
        _remove(release / name)
        (release / name).symlink_to(shared / name)
    # Nginx follows no link, and Laravel's caches belong into the release.
    for name in ("bootstrap", "public"):
        if (release / name).is_symlink():
            raise Refused(f"{name} is a link: commit it as a folder")
    caches = release / "bootstrap/cache"
    if caches.is_symlink():
        caches.unlink()
    caches.mkdir(parents=True, exist_ok=True)
    # What was cached elsewhere would hide the settings of this place.
    for cached in caches.glob("*.php"):
        cached.unlink()
    _remove(release / ".release")
    (release / ".release").write_text(f"{release.name}\n")
    for name in SCRATCH_FOLDERS:
        (scratch / name).mkdir(parents=True, exist_ok=True)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def main(arguments: list[str]) -> int:
    """Exit code 0: done; 1: refused, and said why."""
    os.umask(0o022)
    command, *paths = arguments
    try:
        if command == "unpack":
            unpack(*map(Path, paths))
        else:
            furnish(*map(Path, paths))
    except Refused as error:
        print(error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
