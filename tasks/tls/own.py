"""A certificate that a target signs itself: made of its key and its names, and of nothing else."""

from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tasks.metrics.certificate import SINCE, UNTIL

_LONGEST_NAME = 64


@cache
def own_certificate(private_key: str, names: Sequence[str]) -> str:
    """The PEM of the certificate of an ECDSA key (PEM, PKCS #8) for host names and IP addresses.

    The same key and names always give the same text: no clock is asked, and the signature is
    that of RFC 6979, without chance. It is no authority: who trusts it trusts these names alone.
    Raises ValueError for another kind of key.
    """
    key = load_pem_private_key(private_key.encode(), None)
    if not isinstance(key, EllipticCurvePrivateKey):
        raise ValueError("the key is none of ECDSA")
    fitting = [name for name in names if len(name) <= _LONGEST_NAME]
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, (fitting or ["chom"])[0])])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(_serial(key, names))
        .not_valid_before(SINCE)
        .not_valid_after(UNTIL)
        .add_extension(x509.SubjectAlternativeName(list(map(_general, names))), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256(), ecdsa_deterministic=True)
    )
    return made.public_bytes(Encoding.PEM).decode()


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _serial(key: EllipticCurvePrivateKey, names: Sequence[str]) -> int:
    """Another one for other names: browsers refuse a number that they know from elsewhere."""
    point = key.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    digest = sha256(point + " ".join(names).encode()).digest()
    return int.from_bytes(digest[:16], "big") >> 1 | 1
