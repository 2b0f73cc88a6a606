"""The seal of a document: whoever changes anything in it must make another one."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any


def seal_of(data: Mapping[str, Any]) -> str:
    """The SHA-256, hexadecimal, of all but the seal itself and the signature.

    Of canonical JSON in UTF-8: sorted keys, no white space.
    """
    rest = {key: value for key, value in data.items() if key not in ("seal", "signature")}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
