"""Signed apt repositories of vendors, and whether a key is one of those that we trust."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar, cast

import gevent
from pysequoia import Cert

T = TypeVar("T")


@dataclass(frozen=True)
class Repository:
    """One vendor's repository. ``fingerprints``: of the keys that may sign it, in capitals."""

    name: str
    url: str
    key_url: str
    fingerprints: tuple[str, ...]
    suite: str = "stable"
    components: str = "main"

    @property
    def key_path(self) -> str:
        return f"/etc/apt/keyrings/{self.name}.asc"

    def source(self) -> str:
        """The deb822 stanza by which apt trusts it, and this key for it alone."""
        return (
            "# written by chom; changes are overwritten\n"
            f"Types: deb\nURIs: {self.url}\nSuites: {self.suite}\n"
            f"Components: {self.components}\nSigned-By: {self.key_path}\n"
        )


def certificates(content: bytes) -> Sequence[Cert]:
    """The OpenPGP certificates of a key file, in armour or not; none where it holds no such."""
    return _apart(_certificates, content)


def distrust(content: bytes, fingerprints: Collection[str]) -> str:
    """Why a key file is not to be trusted: what was expected and what came; else nothing."""
    return _apart(_distrust, content, fingerprints)


def armour(content: bytes) -> str:
    """The certificates of a key file as text."""
    return _apart(lambda: "".join(str(cert) for cert in _certificates(content)))


def _apart(function: Callable[..., T], *arguments: object) -> T:
    """Call in a thread: with RUST_BACKTRACE set, sequoia walks up the stack, and falls where a
    greenlet's part of it begins.
    """
    return cast(T, gevent.get_hub().threadpool.apply(function, arguments))


def _certificates(content: bytes) -> Sequence[Cert]:
    try:
        return Cert.split_bytes(content)
    except RuntimeError:
        return []


def _distrust(content: bytes, fingerprints: Collection[str]) -> str:
    expected = f"expected a key with the fingerprint {' or '.join(sorted(fingerprints))}"
    found = _certificates(content)
    if not found:
        return f"{expected}; what came is no OpenPGP key ({len(content)} bytes)"
    for cert in found:
        fingerprint = cert.fingerprint.upper()
        if fingerprint not in fingerprints:
            return f"{expected}; {fingerprint} came"
        if cert.expiration and cert.expiration < datetime.now(UTC):
            return f"{expected} that is still valid; {fingerprint} expired on {cert.expiration:%F}"
        if cert.is_revoked:
            return f"{expected} that is still valid; {fingerprint} was revoked"
    return ""
