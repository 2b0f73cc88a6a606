"""Passwords as those who check them keep them."""

import hashlib
import hmac
from functools import cache

import bcrypt

# Nginx remembers no answer: at every request a worker checks, and serves nobody meanwhile. Another
# hash of the same password, dearer to try, would protect nothing.
ROUNDS = 6
_ALPHABET = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


@cache
def bcrypt_hash(password: str) -> str:
    """The bcrypt hash of a password, the same each time: a new salt would be a change.

    The salt is made from the password by HMAC, so it tells nothing that the hash does not.
    bcrypt looks at the first 72 bytes alone.
    """
    digest = hmac.digest(password.encode(), b"chom bcrypt salt", hashlib.sha256)
    # 128 bits in 22 characters: the last one has two of them.
    salt = "".join(_ALPHABET[byte % 64] for byte in digest[:21]) + ".Oeu"[digest[21] % 4]
    prefix = f"$2b${ROUNDS:02}${salt}".encode()
    return bcrypt.hashpw(password.encode()[:72], prefix).decode()
