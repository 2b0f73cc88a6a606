"""Seals a value for its name, with Fernet: AES-128-CBC and HMAC-SHA256 of `cryptography`."""

import base64
import hashlib
import os

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

# The first bytes of every Fernet token: version 0x80, and a time before the year 2242.
MARK = "gAAAA"
SALT_BYTES = 16
# With r=8 this takes 128 MiB of memory. The header's `scrypt-17-8-1` says so: change both.
SCRYPT_N = 2**17


class Unsealable(Exception):
    """The token is not what this key made for this name.

    actual: the name it was made for, if it can be opened at all.
    """

    def __init__(self, actual: str = "") -> None:
        super().__init__("not sealed for this name with this key")
        self.actual = actual


class Key:
    """A key, and the id by which files and messages name it; shows nothing but the id."""

    __slots__ = ("_fernet", "_text", "id")

    def __init__(self, text: str) -> None:
        """text: 32 bytes in url-safe base64, 44 characters. Raises ValueError for any other."""
        self._fernet = Fernet(text)
        self._text = text
        self.id = hashlib.sha256(b"chom secrets key " + text.encode()).hexdigest()[:12]

    @classmethod
    def new(cls) -> "Key":
        """A random key."""
        return cls(Fernet.generate_key().decode())

    @classmethod
    def derived(cls, passphrase: str, salt: bytes) -> "Key":
        """The key of a passphrase: scrypt with 128 MiB of memory, about half a second."""
        kdf = Scrypt(salt=salt, length=32, n=SCRYPT_N, r=8, p=1)
        return cls(
            base64.urlsafe_b64encode(
                kdf.derive(passphrase.encode(errors="surrogateescape"))
            ).decode()
        )

    def reveal(self) -> str:
        """The key's text."""
        return self._text

    def __repr__(self) -> str:
        return f"Key({self.id})"

    def seal(self, name: str, value: str) -> str:
        """A token that opens as this value under this name only."""
        return self._fernet.encrypt(f"{name}={value}".encode()).decode()

    def unseal(self, name: str, token: str) -> str:
        """The value. Raises Unsealable."""
        try:
            inside = self._fernet.decrypt(token.encode()).decode()
        except (InvalidToken, ValueError):
            raise Unsealable from None
        actual, _, value = inside.partition("=")
        if actual != name:
            raise Unsealable(actual)
        return value


def new_salt() -> bytes:
    """Random bytes for `Key.derived`."""
    return os.urandom(SALT_BYTES)
