"""What the package of a stand-in says of itself: its version, and how it is to behave."""

from __future__ import annotations

import json
from pathlib import Path

FILE = Path(__file__).with_name("package.json")


def version(default: str) -> str:
    """The version of the program: that of its package, without Debian's iteration."""
    return str(_values().get("version", default)).split("-")[0]


def flavour() -> str:
    """The flavour of the package; `plain` outside of one."""
    return str(_values().get("flavour", "plain"))


def _values() -> dict[str, str]:
    try:
        values = json.loads(FILE.read_text())
    except OSError:
        return {}
    return values if isinstance(values, dict) else {}
