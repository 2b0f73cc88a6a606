"""Fill the folder of a release: run by path, as the build user in its sandbox, never as root.

``contents.py unpack FOLDER`` reads a tarball; ``contents.py furnish FOLDER SHARED SCRATCH`` gives
a release what all releases of its application have in common.
"""

import io
import os
import re
import shutil
import stat
import sys
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path

# Laravel does not make these, and does not start without them.
SCRATCH_FOLDERS = (
    *("app/public", "framework/cache/data", "framework/sessions"),
    *("framework/views", "framework/testing", "logs"),
)
# They keep an empty folder in a repository, and hold nothing that an application reads.
PLACEHOLDERS = frozenset({".gitignore", ".gitkeep", ".gitattributes", ".keep", ".DS_Store"})
# How many paths a message names.
_MAX_NAMED = 5
# https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md: a pointer is smaller than 1024 bytes.
_LFS_POINTER = re.compile(rb"version https://git-lfs\.github\.com/spec/v1\n(ext-|oid sha256:)")
_LFS_MAX_BYTES = 1024
_SUBMODULE_PATH = re.compile(r"^\s*path\s*=\s*(.+?)\s*$", re.MULTILINE)


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

    Raises Refused with everything in the release that would not work there.
    """
    if problems := list(_problems(release)):
        raise Refused("\n".join(problems))
    # Laravel makes a link of that name, and no link where there is a folder.
    if _is_folder(release / "public/storage"):
        shutil.rmtree(release / "public/storage")
    for name in ("storage", ".env"):
        _remove(release / name)
        (release / name).symlink_to(shared / name)
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


def _problems(release: Path) -> Iterator[str]:
    """Everything that Git or an operator left in a release and that would not work there."""
    if not (release / "artisan").is_file():
        folders = sorted({path.parent for path in release.glob("*/artisan")})
        folders += sorted({path.parent for path in release.glob("*/*/artisan")})
        if there := [str(each.relative_to(release)) for each in folders]:
            yield (
                f"there is no artisan at the top, but in {_named(there)}: an application in a"
                " subfolder is not supported; give it a repository or a branch of its own, with"
                " artisan and composer.json at the top"
            )
        else:
            yield "there is no artisan at the top: it is not a Laravel application"
    # Nginx follows no link, and Laravel's caches belong into the release.
    for name in ("bootstrap", "public"):
        if (release / name).is_symlink():
            yield f"{name} is a link: commit it as a folder"
    if pointers := list(_lfs_pointers(release)):
        yield (
            f"only pointers of Git LFS, which is not supported: {_named(pointers)}; commit the"
            " files themselves (git lfs migrate export --include='*'), or serve them from storage"
        )
    if empty := list(_empty_submodules(release)):
        yield (
            f"submodules, which are not fetched: {_named(empty)}; install them with composer, or"
            " commit their files (git subtree add)"
        )
    if dropped := list(_real_files(release, "storage")):
        yield (
            f"files below storage, which all releases share and no release replaces:"
            f" {_named(dropped)}; commit them elsewhere, such as below resources, and take them"
            " out there: git rm -r --cached storage"
        )
    if hidden := list(_real_files(release, "public/storage")):
        yield (
            f"files below public/storage, where Laravel makes a link to the storage:"
            f" {_named(hidden)}; commit them elsewhere below public, or put them into"
            " storage/app/public on the server"
        )


def _lfs_pointers(release: Path) -> Iterator[str]:
    for folder, _, names in os.walk(release):
        for name in names:
            path = Path(folder) / name
            if _is_small_file(path) and _LFS_POINTER.match(path.read_bytes()):
                yield str(path.relative_to(release))


def _is_small_file(path: Path) -> bool:
    found = path.lstat()
    return stat.S_ISREG(found.st_mode) and found.st_size < _LFS_MAX_BYTES


def _empty_submodules(release: Path) -> Iterator[str]:
    """Paths of ``.gitmodules`` where there is nothing; a nested repository without is not known."""
    file = release / ".gitmodules"
    if file.is_file() and not file.is_symlink():
        for path in _SUBMODULE_PATH.findall(file.read_text(errors="replace")):
            folder = release / path
            if not folder.is_dir() or not any(folder.iterdir()):
                yield path


def _real_files(release: Path, below: str) -> Iterator[str]:
    """Files and links in a folder of a release that are more than placeholders."""
    if not _is_folder(release / below):
        return
    for folder, folders, names in os.walk(release / below):
        links = [name for name in folders if (Path(folder) / name).is_symlink()]
        for name in (*names, *links):
            if name not in PLACEHOLDERS:
                yield str((Path(folder) / name).relative_to(release))


def _named(paths: Iterable[str]) -> str:
    """The first paths, and how many more there are."""
    every = sorted(paths)
    more = len(every) - _MAX_NAMED
    return ", ".join(every[:_MAX_NAMED]) + (f" and {more} more" if more > 0 else "")


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _remove(path: Path) -> None:
    if _is_folder(path):
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
