"""Who has an account."""

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
