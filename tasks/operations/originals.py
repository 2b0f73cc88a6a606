"""Files of others that ours replace: kept once on the host, and put back by a teardown."""

import shlex
from collections.abc import Callable

# Whether what stands at a path is another's; asked when it is about to be replaced.
Anothers = Callable[[], bool]

FOLDER = "/var/lib/chom/originals"


def never() -> bool:
    """Nothing that stands there is another's."""
    return False


def kept_at(path: str) -> str:
    """Where the original of ``path`` is kept, with its owner and mode."""
    return f"{FOLDER}{path}"


def keep_original(path: str) -> str:
    """A shell command that keeps what stands at ``path``, unless an original of it is kept already.

    The copy appears whole or not at all, and is on the disk before it is one.
    """
    there, copy = shlex.quote(path), shlex.quote(kept_at(path))
    folder = shlex.quote(kept_at(path).rpartition("/")[0])
    return (
        f"{{ {{ [ ! -e {there} ] && [ ! -L {there} ]; }} || [ -e {copy} ] || [ -L {copy} ]"
        f" || {{ install -d -m 755 {FOLDER.rpartition('/')[0]} && mkdir -p {folder}"
        f" && chmod 700 {FOLDER} && rm -rf {copy}.chom-new"
        f" && cp -aT {there} {copy}.chom-new && {{ [ -L {there} ] || sync {copy}.chom-new; }}"
        f" && mv -T {copy}.chom-new {copy}; }}; }}"
    )


def put_back(path: str) -> str:
    """A shell command that puts the original in the place of ours; it fails where none is kept."""
    there, copy = shlex.quote(path), shlex.quote(kept_at(path))
    folder, _, name = path.rpartition("/")
    new = shlex.quote(f"{folder}/.{name}.chom-new")
    return (
        f"mkdir -p {shlex.quote(folder)} && rm -rf {new} && cp -aT {copy} {new}"
        f" && mv -fT {new} {there} && rm -f {copy}"
    )
