"""How far a history has been signed: with which key, and which copies on targets are older."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from state.writing import write_atomically

FILE = "signing.json"


class SigningState:
    """``signing.json``: the id of the key, and the copies that targets hold without a signature.

    It is written once the records of before are signed. Which copies are to be sent again is kept
    until each target has them.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE

    @property
    def exists(self) -> bool:
        """Whether the records of before have been signed."""
        return self._path.exists()

    @property
    def key_id(self) -> str:
        """The id of the key that signs here; empty if none does yet."""
        return str(self._read().get("key", ""))

    def outdated(self, target: str) -> set[str]:
        """Return the ids of the copies that a target is to be sent again."""
        found = self._read().get("outdated", {})
        its = found.get(target, []) if isinstance(found, dict) else []
        return {each for each in its if isinstance(each, str)} if isinstance(its, list) else set()

    def save(self, key_id: str, signed: Mapping[str, Iterable[str]]) -> None:
        """Write it. signed: id → the targets of each record that was just signed."""
        outdated: dict[str, list[str]] = {}
        for deployment_id, targets in signed.items():
            for target in targets:
                outdated.setdefault(target, []).append(deployment_id)
        self._write({"key": key_id, "outdated": outdated})

    def sent(self, target: str) -> None:
        """Note that a target has got its copies."""
        found = self._read()
        if isinstance(found.get("outdated"), dict) and found["outdated"].pop(target, None):
            self._write(found)

    def _read(self) -> dict[str, Any]:
        try:
            found = json.loads(self._path.read_bytes())
        except (OSError, ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}

    def _write(self, data: dict[str, Any]) -> None:
        write_atomically(self._path, json.dumps(data, indent=2) + "\n")
