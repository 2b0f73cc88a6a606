"""Tenants whose lines a Loki has stored."""

import re

from pyinfra.api import FactBase, QuoteString, StringCommand

_TENANT = re.compile(r"[a-z][a-z0-9-]{0,30}")
# A folder beside those of the tenants.
_INDEX = "index"


class StoredTenants(FactBase[list[str]]):
    """Names of the tenants that have a folder below ``folder``, where Loki keeps its chunks.

    Names that no target can have are left out: they reach a header of Nginx.
    """

    default = list

    def command(self, folder: str) -> StringCommand:
        return StringCommand("ls -1", QuoteString(folder), "2>/dev/null || true")

    def process(self, output: list[str]) -> list[str]:
        return sorted(name for name in output if _TENANT.fullmatch(name) and name != _INDEX)
