"""Who has an account."""

from collections.abc import Sequence
from typing import TypedDict

from pyinfra.api import FactBase, QuoteString, StringCommand


class UserData(TypedDict):
    """A user's home folder and login shell."""

    home: str
    shell: str


class User(FactBase[UserData | None]):
    """One user; None where there is none of this name."""

    def command(self, user: str) -> StringCommand:
        return StringCommand("getent passwd", QuoteString(user), "|| true")

    def process(self, output: list[str]) -> UserData:
        *_, home, shell = output[0].split(":")
        return UserData(home=home, shell=shell)


class TakenNames(FactBase[list[str]]):
    """Which names belong to somebody: ``user/NAME HOME SHELL UID``, ``group/NAME``, ``path/PATH``.

    A group is told apart from a user of the same name; of paths, those that exist.
    """

    default = list

    def command(self, names: Sequence[str], paths: Sequence[str]) -> StringCommand:
        return StringCommand(
            "getent passwd", *map(QuoteString, names),
            "| awk -F: '{print \"user/\" $1, $6, $7, $3}';",
            "getent group", *map(QuoteString, names), "| awk -F: '{print \"group/\" $1}';",
            "for p in", *map(QuoteString, paths),
            "; do [ ! -e \"$p\" ] && [ ! -L \"$p\" ] || echo \"path/$p\"; done",
        )  # fmt: skip

    def process(self, output: list[str]) -> list[str]:
        return output
