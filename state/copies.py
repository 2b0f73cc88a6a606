"""Copies of records on the targets that they concern, for root's eyes: history outlives laptops."""

import base64
import gzip
import zlib
from collections.abc import Collection, Iterable

from paramiko.ssh_exception import SSHException
from pyinfra.api import Host

from facts.records import FOLDER, SUFFIX
from state.connection import run_command
from state.store import Store

# `put FOLDER ID SIZE`: one copy, whole or not at all, of so many bytes of the standard input. head
# reads them, as a shell takes them one by one.
PUT = """\
put() {
  [ -d "$1" ] || { install -d -m 755 "${1%/*}" && install -d -m 700 "$1"; } || return 1
  head -c "$3" | base64 -d > "$1/.$2.new" && gzip -t < "$1/.$2.new" \
    && sync "$1/.$2.new" && mv -f "$1/.$2.new" "$1/$2@SUFFIX@"
}""".replace("@SUFFIX@", SUFFIX)
_PUT_ALL = f"""\
umask 077
{PUT}
while read -r id size; do put {FOLDER} "$id" "$size" || exit 1; done
sync {FOLDER}
"""
# A corrupt one has a hash that is nobody's.
_LIST = f"""\
cd {FOLDER} 2>/dev/null || exit 0
for file in *{SUFFIX}; do
  [ ! -e "$file" ] || echo "$(gzip -dc < "$file" | sha256sum | cut -d' ' -f1) $file"
done
"""
LIMIT_S = 60


def put_copies(store: Store, host: Host, has: Collection[str]) -> list[str]:
    """Have a host hold the closed records that concern it; returns what went wrong.

    ``has``: the ids of those that it has already.
    """
    try:
        if not (missing := packed(store, host.name, has)):
            return []
        text = "".join(f"{name} {len(content)}\n{content}" for name, content in missing.items())
        succeeded, output = run_command(host, _PUT_ALL, text, LIMIT_S)
        problem = None if succeeded else "; ".join(output.stderr_lines) or "it said nothing"
    except (OSError, EOFError, SSHException) as error:
        problem = str(error) or type(error).__name__
    return [without_copy(host.name, problem)] if problem else []


def without_copy(target: str, problem: str) -> str:
    """What is said of a target that could not be given a copy."""
    return f"{target} has no copy of this record yet ({problem}); the next run puts it there"


def packed(store: Store, target: str, has: Collection[str]) -> dict[str, str]:
    """Id → text of the copies that a target lacks, as ``put`` takes them.

    ``has``: the ids of those that it has already.
    """
    missing = concerning(store, target, has)
    return {
        name: base64.b64encode(gzip.compress(content, mtime=0)).decode() + "\n"
        for name, content in missing.items()
    }


def concerning(store: Store, target: str, without: Collection[str] = ()) -> dict[str, bytes]:
    """Id → content of the closed records that concern a target, less those that it has."""
    found = {}
    for deployment_id in store.ids():
        if deployment_id in without:
            continue
        content = store.path_of(deployment_id).read_bytes()
        # Most that a target does not have are another one's: they need not be understood.
        if f'"{target}": {{'.encode() not in content:
            continue
        record = store.read(deployment_id)
        if record and record.status != "running" and target in record.targets:
            found[deployment_id] = content
    return found


def list_copies(host: Host) -> dict[str, str]:
    """Id → SHA-256 of the copies on a host. Raises OSError where it does not answer."""
    succeeded, output = run_command(host, _LIST, "", LIMIT_S)
    if not succeeded:
        raise OSError("; ".join(output.stderr_lines) or "it did not answer")
    pairs = (line.split() for line in output.stdout_lines)
    return {name.removesuffix(SUFFIX): sha256 for sha256, name in pairs}


def get_copies(host: Host, ids: Iterable[str]) -> dict[str, bytes]:
    """Id → content of copies on a host. Raises OSError where it does not answer."""
    wanted = " ".join(ids)
    command = (
        f"cd {FOLDER} && for id in {wanted}; do"
        f' printf "%s " "$id"; base64 -w0 "$id{SUFFIX}"; echo; done'
    )
    succeeded, output = run_command(host, command, "", LIMIT_S)
    if not succeeded:
        raise OSError("; ".join(output.stderr_lines) or "it did not answer")
    pairs = (line.split(" ", 1) for line in output.stdout_lines)
    return {name: _unpacked(base64.b64decode(data)) for name, data in pairs}


def _unpacked(data: bytes) -> bytes:
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error):
        return b""  # no record, as the reader will find
