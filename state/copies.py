"""Copies of records on the targets that they concern, for root's eyes: history outlives laptops."""

import base64
import gzip
import zlib
from collections.abc import Collection, Iterable, Mapping

import gevent
from paramiko.ssh_exception import SSHException
from pyinfra.api import Host

from facts.records import FOLDER, SUFFIX
from state.connection import run_command
from state.store import Store

_PUT = f"""\
set -e
umask 077
install -d -m 755 {FOLDER.rpartition("/")[0]}
install -d -m 700 {FOLDER}
cd {FOLDER}
while read -r id data; do
  [ -n "$id" ] || continue
  printf %s "$data" | base64 -d > ".$id.new"
  mv -f ".$id.new" "$id{SUFFIX}"
done
sync -f .
"""
# A corrupt one has a hash that is nobody's.
_LIST = f"""\
cd {FOLDER} 2>/dev/null || exit 0
for file in *{SUFFIX}; do
  [ ! -e "$file" ] || echo "$(gzip -dc < "$file" | sha256sum | cut -d' ' -f1) $file"
done
"""
_LIMIT_S = 60


def put_copies(
    store: Store, copies: Mapping[Host, Collection[str]], limit_s: int = _LIMIT_S
) -> list[str]:
    """Have each host hold the closed records that concern it; returns what went wrong.

    ``copies``: host → the ids of those that it has already.
    """
    putting = [gevent.spawn(_put, store, host, has, limit_s) for host, has in copies.items()]
    gevent.joinall(putting)
    return [line for each in putting if (line := each.get())]


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
    succeeded, output = run_command(host, _LIST, "", _LIMIT_S)
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
    succeeded, output = run_command(host, command, "", _LIMIT_S)
    if not succeeded:
        raise OSError("; ".join(output.stderr_lines) or "it did not answer")
    pairs = (line.split(" ", 1) for line in output.stdout_lines)
    return {name: _unpacked(base64.b64decode(data)) for name, data in pairs}


def _unpacked(data: bytes) -> bytes:
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error):
        return b""  # no record, as the reader will find


def _put(store: Store, host: Host, has: Collection[str], limit_s: int) -> str | None:
    try:
        missing = concerning(store, host.name, has)
        if not missing:
            return None
        text = "".join(
            f"{name} {base64.b64encode(gzip.compress(content, mtime=0)).decode()}\n"
            for name, content in missing.items()
        )
        succeeded, output = run_command(host, _PUT, text, limit_s)
        problem = None if succeeded else "; ".join(output.stderr_lines) or "it said nothing"
    except (OSError, EOFError, SSHException) as error:
        problem = str(error) or type(error).__name__
    return problem and (
        f"{host.name} has no copy of this record yet ({problem}); the next run puts it there"
    )
