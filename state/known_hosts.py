"""Host keys that are known, looked up as OpenSSH does.

See "SSH_KNOWN_HOSTS FILE FORMAT" in sshd(8): patterns, negation, hashed names, ports, and the
markers `@cert-authority` and `@revoked`. A line that cannot be read concerns no other line.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

_MARKERS = {"@cert-authority": "authorities", "@revoked": "revoked"}


@dataclass
class KnownKeys:
    """What is known of one server; each key in SSH's binary form, with its type's name.

    + keys: its own keys
    + authorities: whoever may sign certificates for it
    + revoked: keys that are refused wherever they show up
    """

    keys: dict[bytes, str] = field(default_factory=dict)
    authorities: dict[bytes, str] = field(default_factory=dict)
    revoked: dict[bytes, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Line:
    kind: str
    hosts: str
    key_type: str
    key: bytes


def known_keys(paths: Iterable[Path], name: str, fallback: str = "") -> KnownKeys:
    """Return what these files know of a server; a file that is not there knows nothing.

    + name: as the files have it: a host name, or `[name]:port`
    + fallback: another name, whose keys count where there are none for the first
    """
    lines = [line for path in paths for line in _lines(path)]
    found = _matching(lines, name)
    if fallback and fallback != name:
        other = _matching(lines, fallback)
        found.keys = found.keys or other.keys
        found.authorities |= other.authorities
        found.revoked |= other.revoked
    return found


def _matching(lines: Iterable[_Line], name: str) -> KnownKeys:
    found = KnownKeys()
    for line in lines:
        if matches(line.hosts, name):
            getattr(found, line.kind)[line.key] = line.key_type
    return found


def matches(hosts: str, name: str) -> bool:
    """Whether the first field of a line is about a server of this name."""
    if hosts.startswith("|"):
        return _matches_hash(hosts, name)
    matched = False
    for pattern in hosts.lower().split(","):
        is_negated = pattern.startswith("!")
        if _pattern(pattern.removeprefix("!")).fullmatch(name.lower()):
            if is_negated:
                return False
            matched = True
    return matched


def _matches_hash(hosts: str, name: str) -> bool:
    """Compare a name with `|1|SALT|HASH`."""
    try:
        _, version, salt, digest = hosts.split("|")
        key, expected = base64.b64decode(salt), base64.b64decode(digest)
    except ValueError:
        return False
    actual = hmac.new(key, name.lower().encode(), hashlib.sha1).digest()
    return version == "1" and hmac.compare_digest(actual, expected)


@cache
def _pattern(text: str) -> re.Pattern[str]:
    """Brackets mean themselves, as they surround a name that has a port."""
    parts = {"*": ".*", "?": "."}
    return re.compile("".join(parts.get(sign, re.escape(sign)) for sign in text), re.DOTALL)


def _lines(path: Path) -> Iterator[_Line]:
    try:
        text = path.read_text(errors="replace")
    except OSError:
        return
    for line in text.splitlines():
        words = line.split()
        kind = "keys"
        if words and words[0].startswith("@"):
            # A marker that is not known may restrict what the line allows.
            kind = _MARKERS.get(words.pop(0), "")
        if not kind or len(words) < 3 or words[0].startswith("#"):
            continue
        try:
            key = base64.b64decode(words[2], validate=True)
        except ValueError:
            continue
        yield _Line(kind, words[0], words[1], key)
