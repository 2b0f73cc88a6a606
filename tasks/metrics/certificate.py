"""Certificates among the targets: signed by their own keys, and made of nothing else."""

from datetime import UTC, datetime
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

# It is replaced with its key, not with time: whoever trusts it, trusts this key alone.
SINCE, UNTIL = datetime(2025, 1, 1, tzinfo=UTC), datetime(2125, 1, 1, tzinfo=UTC)


@cache
def certificate(private_key: str, name: str) -> str:
    """The PEM of the certificate of an Ed25519 key (PEM, PKCS #8) for the host ``name``.

    The same key always gives the same text: nothing in it is random, and no clock is asked.
    Raises ValueError for another kind of key.
    """
    key = load_pem_private_key(private_key.encode(), None)
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError("the key is none of Ed25519")
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(_serial(key))
        .not_valid_before(SINCE)
        .not_valid_after(UNTIL)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, None)
    )
    return made.public_bytes(Encoding.PEM).decode()


def fingerprint(pem: str) -> str:
    """SHA-256 of a certificate in small hexadecimal digits, as ``openssl x509`` computes it."""
    return x509.load_pem_x509_certificate(pem.encode()).fingerprint(hashes.SHA256()).hex()


def _serial(key: Ed25519PrivateKey) -> int:
    digest = hashes.Hash(hashes.SHA256())
    digest.update(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))
    return int.from_bytes(digest.finalize()[:16], "big") | 1
