"""Strong values, made once and kept."""

import base64
import os
import secrets
import string
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, get_args

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from configs.secrets.keys import Ask
from configs.secrets.secret import Secret
from configs.secrets.store import changing, check_name, secrets_path

Kind = Literal["password", "laravel_app_key", "private_key", "tls_key"]
KINDS: tuple[Kind, ...] = get_args(Kind)
PASSWORD_LENGTH = 32
# Of the url-safe alphabet without - and _: a double click selects the whole, and no option
# parser takes it for an option. 32 of these are 190 bits.
_ALPHABET = string.ascii_letters + string.digits


def random_value(kind: Kind) -> str:
    """A new value.

    password: 32 url-safe characters. laravel_app_key: base64: and 32 bytes. private_key: an
    Ed25519 key in PEM (PKCS #8). tls_key: one of ECDSA P-256, which browsers take, the same way.
    """
    if kind in ("private_key", "tls_key"):
        key = (
            Ed25519PrivateKey.generate()
            if kind == "private_key"
            else ec.generate_private_key(ec.SECP256R1())
        )
        return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    if kind == "laravel_app_key":
        return "base64:" + base64.b64encode(secrets.token_bytes(32)).decode()
    return "".join(secrets.choice(_ALPHABET) for _ in range(PASSWORD_LENGTH))


def generate(
    name: str,
    kind: Kind,
    path: Path | None = None,
    *,
    environ: Mapping[str, str] = os.environ,
    ask: Ask | None = None,
) -> Secret:
    """The secret of that name; if there is none yet, a new one, stored encrypted before it is used.

    Raises ConfigurationError.
    """
    check_name(name)
    with changing(path or secrets_path(environ), environ, ask) as store:
        if any(entry.name == name for entry in store.sheet.entries()):
            return store.secret(name)
        secret = Secret(name, random_value(kind))
        store.write({name: secret.reveal()})
        return secret
