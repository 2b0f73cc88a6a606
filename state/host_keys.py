"""Whether a server is the one that it should be: its host key or certificate, as OpenSSH judges."""

import base64
import time
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.hazmat.primitives.serialization.ssh import (
    SSHCertificate,
    SSHCertificateType,
    load_ssh_public_identity,
)
from paramiko import Message, PKey
from paramiko.ssh_exception import SSHException

from state.known_hosts import KnownKeys

CERTIFICATE = "-cert-v01@openssh.com"
_RSA = ("rsa-sha2-512", "rsa-sha2-256", "ssh-rsa")


class HostKeyRefused(SSHException):
    """The server showed a key that is not accepted."""

    def __init__(self, key: PKey, reason: str) -> None:
        super().__init__(reason)
        self.key = key


class UnknownHostKey(HostKeyRefused):
    """Nothing is known of the server, or no key of this type."""


class ChangedHostKey(HostKeyRefused):
    """Another key of this type is known of the server."""

    def __init__(self, key: PKey, known: bytes) -> None:
        super().__init__(key, "another host key than the known one")
        self.known = known


class RevokedHostKey(HostKeyRefused):
    """The key, or the one that signed it, is marked as revoked."""


class BadHostCertificate(HostKeyRefused):
    """A known authority signed the server's certificate, which is not valid all the same."""


def algorithms(known: KnownKeys, supported: Iterable[str]) -> tuple[str, ...]:
    """Return the host key algorithms to ask for, those first that what is known can judge.

    Without that, a server of several keys may show one that is not known. Certificates are asked
    for where an authority is known.
    """
    plain = [each for each in supported if not each.endswith(CERTIFICATE)]
    types = set(known.keys.values())
    first = [each for each in plain if _key_type(each) in types]
    certificates = [f"{each}{CERTIFICATE}" for each in plain] if known.authorities else []
    return (*certificates, *first, *(each for each in plain if each not in first))


def check(known: KnownKeys, key: PKey, name: str) -> None:
    """Accept the key of a server, or raise a HostKeyRefused.

    + key: as paramiko received it, with the certificate in `public_blob` where it came with one
    + name: the server's name, as its certificate must have it
    """
    blob = key.asbytes()
    if blob in known.revoked:
        raise RevokedHostKey(key, "a key that is marked @revoked")
    certificate = getattr(key, "public_blob", None)
    if certificate is not None:
        _check_certificate(known, key, certificate.key_blob, name)
    elif blob not in known.keys:
        for other, key_type in known.keys.items():
            if key_type == key.get_name():
                raise ChangedHostKey(key, other)
        raise UnknownHostKey(key, "a host key that is not known")


def _key_type(algorithm: str) -> str:
    return "ssh-rsa" if algorithm in _RSA else algorithm


def _check_certificate(known: KnownKeys, key: PKey, blob: bytes, name: str) -> None:
    try:
        certificate = load_ssh_public_identity(_line(blob))
        if not isinstance(certificate, SSHCertificate):
            raise ValueError("no certificate")
        authority = certificate.signature_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
        certificate.verify_cert_signature()
    except (ValueError, InvalidSignature) as error:
        raise BadHostCertificate(key, f"a host certificate that is damaged: {error}") from None
    signer = _blob(authority)
    if signer in known.revoked:
        raise RevokedHostKey(key, "a certificate of an authority that is marked @revoked")
    if signer not in known.authorities:
        # As ssh, which goes on with the key itself.
        if key.asbytes() in known.keys:
            return
        raise UnknownHostKey(key, "a host certificate of an authority that is not known")
    if reason := _flaw(certificate, name):
        raise BadHostCertificate(key, f"a host certificate that {reason}")


def _flaw(certificate: SSHCertificate, name: str) -> str:
    """Say why a certificate with a good signature does not hold, if so."""
    now = time.time()
    principals = [each.decode(errors="replace") for each in certificate.valid_principals]
    if certificate.type is not SSHCertificateType.HOST:
        return "is one of a user"
    if now < certificate.valid_after:
        return "is not valid yet"
    if now >= certificate.valid_before:
        return "has expired"
    if certificate.critical_options:
        return "has critical options, which no host certificate may have"
    if principals and not _names(principals, name):
        return f"is for {', '.join(principals)} and not for {name}"
    return ""


def _names(principals: Sequence[str], name: str) -> bool:
    """OpenSSH takes `*` and `?` in them as wildcards; a bracket is no pattern there."""
    return any(fnmatchcase(name.lower(), each.lower().replace("[", "[[]")) for each in principals)


def _line(blob: bytes) -> bytes:
    return Message(blob).get_text().encode() + b" " + base64.b64encode(blob)


def _blob(line: bytes) -> bytes:
    return base64.b64decode(line.split()[1])
