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
    """One vendor's repository.

    ``fingerprints``: of the keys that may sign it, in capitals. ``updates``: the pattern by which
    unattended-upgrades recognises its packages; empty: it installs none of them. ``origin``: the
    ``Origin:`` of its Release file; ``owns``: a pattern of package names that apt takes from this
    origin alone, also where another repository has a newer version; empty: no such packages.
    """

    name: str
    url: str
    key_url: str
    fingerprints: tuple[str, ...]
    suite: str = "stable"
    components: str = "main"
    updates: str = ""
    origin: str = ""
    owns: str = ""

    @property
    def key_path(self) -> str:
        return f"/etc/apt/keyrings/{self.name}.asc"

    @property
    def source_path(self) -> str:
        return f"/etc/apt/sources.list.d/{self.name}.sources"

    @property
    def preferences_path(self) -> str:
        return f"/etc/apt/preferences.d/chom-{self.name}"

    @property
    def accepted_keys(self) -> str:
        """The line of the source that says which keys were looked for in the vendor's file."""
        return f"# accepted keys: {' '.join(sorted(self.fingerprints))}"

    def source(self) -> str:
        """The deb822 stanza by which apt trusts it, and these keys for it alone."""
        return (
            "# written by chom; changes are overwritten\n"
            f"{self.accepted_keys}\n"
            f"Types: deb\nURIs: {self.url}\nSuites: {self.suite}\n"
            f"Components: {self.components}\nSigned-By: {self.key_path}\n"
        )

    def preferences(self) -> str:
        """The apt preferences that let the packages in ``owns`` come from this origin alone.

        A priority above 1000 replaces an installed version even where that is newer.
        """
        return (
            "# written by chom; changes are overwritten\n"
            f"Package: {self.owns}\nPin: release o={self.origin}\nPin-Priority: 1001\n"
        )


def certificates(content: bytes) -> Sequence[Cert]:
    """The OpenPGP certificates of a key file, in armour or not; none where it holds no such."""
    return _apart(_certificates, content)


def distrust(content: bytes, fingerprints: Collection[str]) -> str:
    """Reason why a key file has no certificate to trust: what was expected and what came.

    Empty where at least one certificate has one of the ``fingerprints`` and is valid.
    """
    return _apart(_distrust, content, fingerprints)


def trusted(content: bytes, fingerprints: Collection[str]) -> str:
    """Armour of those certificates of a key file that are accepted and valid; empty for none.

    Vendors publish files that hold former certificates beside the present ones: the others are
    dropped, so that apt never trusts them.
    """
    return _apart(_trusted, content, fingerprints)


def is_trusted(content: bytes, fingerprints: Collection[str]) -> bool:
    """Whether a key file holds certificates, and none that is not accepted or not valid."""
    return _apart(_is_trusted, content, fingerprints)


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
    listed = [cert for cert in found if _fingerprint(cert) in fingerprints]
    if not listed:
        return f"{expected}; {', '.join(map(_fingerprint, found))} came"
    reasons = [_invalidity(cert) for cert in listed]
    return f"{expected} that is still valid; {', '.join(reasons)}" if all(reasons) else ""


def _trusted(content: bytes, fingerprints: Collection[str]) -> str:
    return "".join(str(cert) for cert in _certificates(content) if _is_good(cert, fingerprints))


def _is_trusted(content: bytes, fingerprints: Collection[str]) -> bool:
    found = _certificates(content)
    return bool(found) and all(_is_good(cert, fingerprints) for cert in found)


def _is_good(cert: Cert, fingerprints: Collection[str]) -> bool:
    return _fingerprint(cert) in fingerprints and not _invalidity(cert)


def _fingerprint(cert: Cert) -> str:
    return cert.fingerprint.upper()


def _invalidity(cert: Cert) -> str:
    """Why a certificate is valid no more; empty for one that is."""
    if cert.expiration and cert.expiration < datetime.now(UTC):
        return f"{_fingerprint(cert)} expired on {cert.expiration:%F}"
    return f"{_fingerprint(cert)} was revoked" if cert.is_revoked else ""
