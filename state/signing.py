"""Signatures of records: an HMAC with a key that operators have, and no target has.

The signature is the last field of a JSON text. It covers every byte of the text without that
field, so a record that was written before there were signatures can be signed later: the hash by
which its successor names it, which is taken without the signature, stays the same.
"""

import hashlib
import hmac
import re
from typing import Literal

from configs.secrets import Needed

NAME = "RECORDS_KEY"
NEEDED = Needed(NAME, "signs the records of deployments", "password")
GENERATE = f"python -m configs secrets set {NAME} --generate password"

Trust = Literal["signed", "unsigned", "signed with another key", "altered"]
Purpose = Literal["record", "pruned", "questions"]

# As `attach` writes it: in a text of one line, or in one that is indented by two blanks.
_SIGNATURE = re.compile(
    rb',(?:\n  | )"signature": "([0-9a-f]{12}):([0-9a-f]{64})"'
    rb"(?=\n?\}\n\Z)"
)
# The longest match of _SIGNATURE, and the end of the text.
_TAIL = 120


def left_alone(trust: str) -> str:
    """Say what is wrong with a record of the history, and what to do about it."""
    found = {
        "unsigned": "is not signed",
        "altered": "was altered after it was signed",
        "signed with another key": "is signed with another key",
    }.get(trust, trust)
    return (
        f"{found}: it is left alone, and what it says we created is not counted as ours; python -m"
        " state accept shows it, and signs it if you say so"
    )


class RecordKey:
    """The key by which records are signed. Shows nothing but its id.

    + text: the secret, any text
    """

    __slots__ = ("_key", "id")

    def __init__(self, text: str) -> None:
        self._key = hashlib.sha256(b"chom records key\n" + text.encode()).digest()
        self.id = hashlib.sha256(b"chom records key id\n" + self._key).hexdigest()[:12]

    def __repr__(self) -> str:
        return f"RecordKey({self.id})"

    def sign(self, text: str, purpose: Purpose = "record") -> str:
        """Return a JSON object's text with its signature, in the place of an earlier one."""
        content = unsigned(text.encode())
        return attach(content, f"{self.id}:{self._digest(content, purpose)}").decode()

    def judge(self, content: bytes, purpose: Purpose = "record") -> Trust:
        """Tell whether a file's bytes were signed with this key for this purpose."""
        found = _find(content)
        if found is None:
            return "unsigned"
        if found[1].decode() != self.id:
            return "signed with another key"
        digest = self._digest(unsigned(content), purpose)
        return "signed" if hmac.compare_digest(found[2].decode(), digest) else "altered"

    def _digest(self, content: bytes, purpose: Purpose) -> str:
        return hmac.new(self._key, f"chom {purpose}\n".encode() + content, "sha256").hexdigest()


def attach(content: bytes, signature: str) -> bytes:
    """Append a signature to the text of a JSON object that has another field."""
    end = b"\n}\n" if content.endswith(b"\n}\n") else b"}\n"
    field = b',\n  "signature": ' if end == b"\n}\n" else b', "signature": '
    return content.removesuffix(end) + field + b'"' + signature.encode() + b'"' + end


def unsigned(content: bytes) -> bytes:
    """Return a text without its signature: what was signed, and what hashes are taken of."""
    found = _find(content)
    if found is None:
        return content
    at = max(0, len(content) - _TAIL)
    return content[: at + found.start()] + content[at + found.end() :]


def sha256_of(content: bytes) -> str:
    """Return the hash by which a record is named by its successor, in hex."""
    return hashlib.sha256(unsigned(content)).hexdigest()


def _find(content: bytes) -> re.Match[bytes] | None:
    return _SIGNATURE.search(content[-_TAIL:])
