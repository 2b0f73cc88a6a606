"""The lab's SSH keys: one to log in with, and each machine's own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from tests.lab.shell import run

HOST_KEY_TYPES = ("ed25519", "ecdsa", "rsa")


def login_key(folder: Path, lab: str) -> Path:
    """The private key that every user of every machine accepts, made on first use (mode 0600)."""
    return _key(folder / "key", "ed25519", f"lab-{lab}")


def host_keys(folder: Path, machine: str) -> list[Path]:
    """The machine's private host keys, made on first use; they outlive its disk."""
    own = folder / "hostkeys" / machine
    own.mkdir(parents=True, exist_ok=True)
    return [_key(own / f"ssh_host_{kind}_key", kind, f"root@{machine}") for kind in HOST_KEY_TYPES]


def known_hosts(keys: Mapping[str, Iterable[str]]) -> str:
    """The text of a known_hosts file.

    Args:
        keys: Public keys by address, as in their `.pub` files.
    """
    return "".join(
        f"{address} {' '.join(key.split()[:2])}\n" for address in keys for key in keys[address]
    )


def public(key: Path) -> str:
    """The public half of a private key file, one line."""
    return key.with_name(key.name + ".pub").read_text()


def _key(path: Path, kind: str, comment: str) -> Path:
    if not path.exists():
        run("ssh-keygen", "-q", "-t", kind, "-N", "", "-C", comment, "-f", str(path))
    return path
