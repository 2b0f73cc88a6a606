"""A server is the right one by its key, or by a certificate that holds; anything else is not."""

import base64
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from paramiko import ECDSAKey, Ed25519Key, Message, PKey, RSAKey

from state import host_keys
from state.host_keys import (
    BadHostCertificate,
    ChangedHostKey,
    RevokedHostKey,
    UnknownHostKey,
    algorithms,
    check,
)
from state.known_hosts import KnownKeys, known_keys
from state.transport import HOST_KEY_ALGORITHMS

CLASSES: dict[str, Callable[[Message], PKey]] = {
    "ed25519": Ed25519Key,
    "ecdsa": ECDSAKey,
    "rsa": RSAKey,
}


class Server:
    """A server's key, and whoever signs it."""

    def __init__(self, folder: Path, kind: str = "ed25519") -> None:
        self.folder = folder
        self.kind = kind
        self.key = self._new("host", kind)
        self.authority = self._new("ca", "ed25519")

    def _new(self, name: str, kind: str) -> str:
        path = self.folder / name
        if not path.exists():
            subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", path], check=True)
        return " ".join(path.with_name(f"{name}.pub").read_text().split()[:2])

    def shown(self, *, signed: tuple[str, ...] | None = None) -> PKey:
        """The key as paramiko makes it of what comes over the wire."""
        path = self.folder / "host.pub"
        if signed is not None:
            authority = str(self.folder / "ca")
            command = ["ssh-keygen", "-q", "-s", authority, "-I", "x", *signed, str(path)]
            subprocess.run(command, check=True)
            path = self.folder / "host-cert.pub"
        blob = base64.b64decode(path.read_text().split()[1])
        return CLASSES[self.kind](Message(blob))

    def known(self, *lines: str) -> KnownKeys:
        path = self.folder / "known_hosts"
        path.write_text("".join(f"{line}\n" for line in lines))
        return known_keys([path], "web")


@pytest.mark.parametrize("kind", CLASSES)
def test_a_known_key_of_each_type_is_accepted(tmp_path: Path, kind: str) -> None:
    server = Server(tmp_path, kind)
    check(server.known(f"web {server.key}"), server.shown(), "web")


@pytest.mark.parametrize("kind", CLASSES)
def test_a_known_key_of_each_type_is_asked_for_first(tmp_path: Path, kind: str) -> None:
    server = Server(tmp_path, kind)
    first = algorithms(server.known(f"web {server.key}"), HOST_KEY_ALGORITHMS)[0]
    assert first == ("rsa-sha2-512" if kind == "rsa" else server.key.split()[0])
    assert set(algorithms(KnownKeys(), HOST_KEY_ALGORITHMS)) == set(HOST_KEY_ALGORITHMS)


def test_another_key_of_a_known_type_has_changed(tmp_path: Path) -> None:
    server = Server(tmp_path)
    with pytest.raises(ChangedHostKey):
        check(server.known(f"web {server.authority}"), server.shown(), "web")


def test_a_key_of_a_type_that_is_not_known_is_unknown(tmp_path: Path) -> None:
    server = Server(tmp_path, "rsa")
    with pytest.raises(UnknownHostKey):
        check(server.known(f"web {server.authority}"), server.shown(), "web")


def test_a_revoked_key_is_refused_even_where_it_is_known(tmp_path: Path) -> None:
    server = Server(tmp_path)
    known = server.known(f"web {server.key}", f"@revoked * {server.key}")
    with pytest.raises(RevokedHostKey):
        check(known, server.shown(), "web")


@pytest.mark.parametrize("kind", CLASSES)
def test_a_certificate_of_a_known_authority_holds(tmp_path: Path, kind: str) -> None:
    server = Server(tmp_path, kind)
    known = server.known(f"@cert-authority web {server.authority}")
    assert algorithms(known, HOST_KEY_ALGORITHMS)[0].endswith(host_keys.CERTIFICATE)
    check(known, server.shown(signed=("-h", "-n", "other,web")), "web")
    check(known, server.shown(signed=("-h",)), "web")


@pytest.mark.parametrize(
    ("signed", "reason"),
    [
        (("-h", "-n", "other"), "for other and not for web"),
        (("-n", "web"), "is one of a user"),
        (("-h", "-n", "web", "-V", "20200101:20200102"), "expired"),
        (("-h", "-n", "web", "-V", "+1d:+2d"), "not valid yet"),
    ],
)
def test_a_certificate_that_does_not_hold_is_refused(
    tmp_path: Path, signed: tuple[str, ...], reason: str
) -> None:
    server = Server(tmp_path)
    known = server.known(f"@cert-authority web {server.authority}")
    with pytest.raises(BadHostCertificate, match=reason):
        check(known, server.shown(signed=signed), "web")


def test_a_certificate_of_somebody_else_counts_for_nothing(tmp_path: Path) -> None:
    server = Server(tmp_path)
    shown = server.shown(signed=("-h", "-n", "web"))
    with pytest.raises(UnknownHostKey, match="authority that is not known"):
        check(server.known(f"@cert-authority web {server.key}"), shown, "web")
    check(server.known(f"web {server.key}"), shown, "web")


def test_a_certificate_of_a_revoked_authority_is_refused(tmp_path: Path) -> None:
    server = Server(tmp_path)
    known = server.known(
        f"@cert-authority web {server.authority}", f"@revoked * {server.authority}"
    )
    with pytest.raises(RevokedHostKey):
        check(known, server.shown(signed=("-h", "-n", "web")), "web")


def test_a_certificate_that_was_altered_is_refused(tmp_path: Path) -> None:
    server = Server(tmp_path)
    known = server.known(f"@cert-authority web {server.authority}")
    shown = server.shown(signed=("-h", "-n", "web"))
    assert shown.public_blob is not None
    blob = shown.public_blob.key_blob
    shown.public_blob.key_blob = blob.replace(b"\0\0\0\x03web", b"\0\0\0\x03wab")
    assert shown.public_blob.key_blob != blob
    with pytest.raises(BadHostCertificate, match="damaged"):
        check(known, shown, "web")
