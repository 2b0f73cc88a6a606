"""Copies of records on the targets that they concern, for root's eyes: history outlives laptops."""

import base64
import gzip
import shlex
import zlib
from collections.abc import Collection, Iterable, Iterator, Sequence

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
# A record of ten targets has 100 kB, and 10 kB packed.
MAX_PACKED_BYTES = 1_000_000
MAX_UNPACKED_BYTES = 10_000_000
# How many copies are asked for by one command.
_AT_ONCE = 50
_TOO_LARGE = "too-large"
# Sends the copy $id on one line, or says that it is too large.
_SEND = (
    f'printf "%s " "$id"; s=$(stat -c %s "$id{SUFFIX}"); [ "${{s:-0}}" -le {MAX_PACKED_BYTES} ]'
    f' && base64 -w0 "$id{SUFFIX}" || printf {_TOO_LARGE}; echo'
)


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
        record = store.read(deployment_id) if store.trusts(content) else None
        if record and record.status != "running" and target in record.targets:
            found[deployment_id] = content
    return found


def list_copies(host: Host) -> dict[str, str]:
    """Return id → SHA-256 of the copies on a host; names that are no ids come as they are.

    Raises OSError where it does not answer.
    """
    succeeded, output = run_command(host, _LIST, "", LIMIT_S)
    if not succeeded:
        raise OSError("; ".join(output.stderr_lines) or "it did not answer")
    pairs = (line.partition(" ")[::2] for line in output.stdout_lines)
    return {name.removesuffix(SUFFIX): sha256 for sha256, name in pairs if name}


def get_copies(host: Host, ids: Iterable[str]) -> Iterator[tuple[str, bytes | None]]:
    """Yield the ids and contents of copies on a host, some at a time; None for one too large.

    ids: those to get, each of which is the id of a deployment. Raises OSError where the host does
    not answer, or sends more than it was asked for.
    """
    wanted = list(ids)
    for at in range(0, len(wanted), _AT_ONCE):
        part = wanted[at : at + _AT_ONCE]
        try:
            yield from _get_some(host, part)
        except OSError:
            # One of them may be what is wrong.
            if len(part) == 1:
                raise
            for deployment_id in part:
                yield from _get_some(host, [deployment_id])


def _get_some(host: Host, ids: Sequence[str]) -> list[tuple[str, bytes | None]]:
    command = f"cd {FOLDER} && for id in {shlex.join(ids)}; do {_SEND}; done"
    succeeded, output = run_command(host, command, "", LIMIT_S)
    if not succeeded:
        raise OSError("; ".join(output.stderr_lines) or "it did not answer")
    found = dict(line.partition(" ")[::2] for line in output.stdout_lines)
    return [(each, _unpacked(found[each])) for each in ids if each in found]


def _unpacked(text: str) -> bytes | None:
    """Return what a copy holds, and nothing of one that is damaged; None for one too large."""
    if text == _TOO_LARGE or len(text) > MAX_PACKED_BYTES * 3 // 2:
        return None
    try:
        unpacking = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        content = unpacking.decompress(base64.b64decode(text, validate=True), MAX_UNPACKED_BYTES)
    except (ValueError, zlib.error):
        return b""  # no record, as the reader will find
    if unpacking.unconsumed_tail:
        return None
    return content if unpacking.eof else b""
