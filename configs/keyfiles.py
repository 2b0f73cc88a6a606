"""Whether the key and the known_hosts file are there and fit for SSH, and what to do if not."""

import base64
import os
import re
import shlex
import stat
import struct
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from configs.agent import agent_keys, blob_of
from configs.problems import shown
from configs.schema import Ssh


@dataclass(frozen=True)
class Trouble:
    """What is found, what is expected and what to do."""

    found: str
    expected: str
    remedy: str


def key_trouble(ssh: Ssh, agent: str | None = None) -> Trouble | None:
    """Why SSH would not accept the private key's file, if it would not.

    + agent: the socket of the agent to ask; None for the one of the environment
    """
    trouble = _file_trouble(ssh)
    return None if trouble and is_held(ssh.key_path, agent) else trouble


def is_held(path: Path, agent: str | None) -> bool:
    """Whether an agent holds the key that a file is, or that the public key beside it belongs to.

    A key that is to be read from a file without a passphrase has no need of an agent.
    """
    public = public_key(path)
    return public is not None and public in agent_keys(agent)


def public_key(path: Path) -> bytes | None:
    """Return the public half of a key file, in SSH's binary form, without any passphrase.

    It is part of OpenSSH's private keys; of others, the `.pub` file beside it has it.
    """
    for place in (path, path if path.suffix == ".pub" else Path(f"{path}.pub")):
        try:
            content = place.read_bytes()
        except OSError:
            continue
        if found := _public_half(content) or blob_of(content.decode(errors="replace")):
            return found
    return None


def _public_half(content: bytes) -> bytes | None:
    body = b"".join(line for line in content.splitlines() if not line.startswith(b"-----"))
    try:
        data = base64.b64decode(body, validate=True)
        magic = b"openssh-key-v1\0"
        if not data.startswith(magic):
            return None
        at = len(magic)
        for _ in range(3):  # cipher, key derivation and its options
            at += 4 + int(struct.unpack_from(">I", data, at)[0])
        (size,) = struct.unpack_from(">I", data, at + 4)
        public = data[at + 8 : at + 8 + size]
    except (ValueError, struct.error):
        return None
    return public if size and len(public) == size else None


def _file_trouble(ssh: Ssh) -> Trouble | None:
    path, written = ssh.key_path, ssh.key
    command = as_typed(written, path)
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        remedy = (
            f"{_folder_first(written, path)}ssh-keygen -t ed25519 -f {command}\n"
            f"and let the server accept {command}.pub; or write the path of the key you have"
        )
        return Trouble(f"{written}: no such file", "a private key file", remedy)
    except OSError as error:
        return _unreadable(written, error)
    if not stat.S_ISREG(mode):
        kind = "a folder" if stat.S_ISDIR(mode) else "not a plain file"
        return Trouble(
            f"{written}: {kind}", "a private key file", "write the path of the key file itself"
        )
    if path.suffix == ".pub":
        remedy = f"write {written.removesuffix('.pub')}"
        return Trouble(f"{written}: the public key", "the private key's file", remedy)
    if not os.access(path, os.R_OK):
        return _unreadable(written, None)
    if mode & 0o077:
        return Trouble(
            f"{written}: mode {stat.S_IMODE(mode):04o}, open to others than its owner",
            "a key that only its owner can read: SSH refuses any other",
            f"chmod 600 {command}",
        )
    return _unusable(written, command, path.read_bytes())


def _unusable(written: str, command: str, content: bytes) -> Trouble | None:
    """Why what is in the file would be of no use, if so."""
    if not re.search(rb"^-----BEGIN [A-Z ]*PRIVATE KEY-----", content, re.MULTILINE):
        remedy = "write the path of the private key; ssh-keygen -y -f FILE tells whether it is one"
        return Trouble(f"{written}: no private key is in it", "a private key file", remedy)
    if has_passphrase(content) and not sys.stdin.isatty():
        return Trouble(
            f"{written}: a key with a passphrase, no terminal to ask for it on, and no agent that"
            " holds it",
            "a key that an agent holds, a terminal, or a key without a passphrase",
            f"give it to an agent: ssh-add {command}\n"
            "or run it on a terminal, or make a key of its own for deploys:"
            f" ssh-keygen -t ed25519 -N '' -f {command}-deploy",
        )
    return None


def has_passphrase(content: bytes) -> bool:
    """Whether a private key's file is sealed with one."""
    if b"ENCRYPTED" in content:
        return True
    body = b"".join(line for line in content.splitlines() if not line.startswith(b"-----"))
    try:
        start = base64.b64decode(body[:64], validate=True)
    except ValueError:
        return False
    # OpenSSH's own format: a word, then the length and the name of the cipher.
    return start.startswith(b"openssh-key-v1\0") and not start[15:].startswith(b"\0\0\0\x04none")


def known_hosts_trouble(
    places: Sequence[tuple[str, Ssh]], others: Sequence[Path] = ()
) -> Trouble | None:
    """Why the host keys of these addresses cannot be checked, if so.

    + places: address and SSH settings of every target that uses one known_hosts file
    + others: more files that ssh looks host keys up in
    """
    ssh = places[0][1]
    path, written = ssh.known_hosts_path, ssh.known_hosts
    if not path.exists() and any(each.is_file() for each in others):
        return None
    try:
        found = "a folder" if stat.S_ISDIR(path.stat().st_mode) else ""
    except FileNotFoundError:
        found = "no such file"
    except OSError as error:
        return _unreadable(written, error)
    if not found:
        return None if os.access(path, os.R_OK) else _unreadable(written, None)
    expected = "a file with the servers' host keys"
    if found == "a folder":
        return Trouble(f"{written}: {found}", expected, "write the path of the file itself")
    commands = [f"ssh-keyscan -p {ssh.port} {shlex.quote(address)}" for address, ssh in places]
    scans = list(dict.fromkeys(commands))
    lines = [
        "compare each server's own fingerprints with those of",
        *(f"  {scan} | ssh-keygen -lf -" for scan in scans),
        "and once they are the same:",
        *(f"  {_folder_first(written, path)}{scan} >> {as_typed(written, path)}" for scan in scans),
    ]
    return Trouble(f"{written}: {found}", expected, "\n".join(lines))


def _unreadable(written: str, error: OSError | None) -> Trouble:
    reason = ((error and error.strerror) or "permission denied").lower()
    remedy = "correct the path or its permissions"
    return Trouble(f"{written}: {reason}", "a file that you can read", remedy)


def _folder_first(written: str, path: Path) -> str:
    if path.parent.exists():
        return ""
    folder = str(Path(written).parent)
    return f"mkdir -p -m 700 {as_typed(folder, path.parent)} && "


def as_typed(written: str, path: Path) -> str:
    """The path for a shell in the current folder; `~` stays, so that the shell expands it."""
    if written.startswith("~"):
        home, slash, rest = written.partition("/")
        return home + slash + (shlex.quote(rest) if rest else "")
    return shlex.quote(shown(path))
