"""Private keys for SSH: whether ssh could log in with a text, with nobody there to be asked."""

from dataclasses import dataclass

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_ssh_private_key

from configs.keyfiles import has_passphrase

EXPECTED = "an OpenSSH private key without a passphrase, line by line as ssh-keygen writes it"
_PUBLIC = ("ssh-", "sk-ssh-", "ecdsa-", "sk-ecdsa-", "-----BEGIN PUBLIC", "---- BEGIN SSH2 PUBLIC")
_PUTTY = "PuTTY-User-Key-File"
_BEGIN, _END = "-----BEGIN ", "-----END "


@dataclass(frozen=True)
class Unusable:
    """Why ssh could not use a key, and what makes it usable; neither has a part of the key."""

    found: str
    remedy: str


def looks_like_ssh_key(text: str) -> bool:
    """Whether somebody meant this to be a key of SSH, of whatever kind."""
    return text.lstrip().startswith((*_PUBLIC, _PUTTY)) or _BEGIN in text


def unusable(text: str, store: str) -> Unusable | None:
    """Why ssh could not use a private key, if so.

    store: the command that stores it, which reads it from standard input.
    """
    text = text.strip()
    again = f"{store} < FILE, with the file of the private key"
    if text.startswith(_PUBLIC):
        return Unusable("a public key", f"{again}, which has the same name without .pub")
    if text.startswith(_PUTTY):
        return Unusable(
            "a key in PuTTY's format", f"puttygen FILE -O private-openssh -o NEW, then {again}"
        )
    lines = text.split("\n")
    if not text.startswith(_BEGIN):
        return Unusable("no private key", again)
    if len(lines) == 1:
        return Unusable(
            "a key on one line", f"{again}: typed or pasted into one line it is of no use"
        )
    if not lines[-1].strip().startswith(_END):
        return Unusable("a key that was cut off", again)
    if "\r" in text:
        return Unusable("a key with line ends of Windows (CRLF)", again)
    if has_passphrase(text.encode()):
        return Unusable(
            "a key with a passphrase, which nobody is there to type",
            "make a key for this alone (ssh-keygen -t ed25519 -N '' -f FILE), let the Git server"
            f" admit FILE.pub, then {store} < FILE",
        )
    if any(line != line.strip() for line in lines) or not _can_be_read(text):
        return Unusable("a damaged private key", again)
    return None


def _can_be_read(text: str) -> bool:
    content = f"{text}\n".encode()
    load = load_ssh_private_key if "BEGIN OPENSSH" in text else load_pem_private_key
    try:
        load(content, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return False
    return True
