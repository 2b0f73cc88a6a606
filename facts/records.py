"""The copies of records that a host holds: of every deployment that concerned it."""

from pyinfra.api import FactBase

# For root alone.
FOLDER = "/var/lib/chom/records"
SUFFIX = ".json.gz"


def listing(folder: str = FOLDER) -> str:
    """A shell command that prints the ids of the copies in a folder."""
    return f"ls {folder} 2>/dev/null | sed -n 's/{SUFFIX.replace('.', '[.]')}$//p'"


class Records(FactBase[list[str]]):
    """The ids of these deployments."""

    default = list

    def command(self) -> str:
        return listing()

    def process(self, output: list[str]) -> list[str]:
        return output
