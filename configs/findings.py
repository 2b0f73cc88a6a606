"""What is not as a deploy needs it, found out before anything changes."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """A check that did not pass, with its remedy; as a ``warning`` it stops nothing."""

    check: str
    found: str
    expected: str
    remedy: str
    warning: bool = False

    def __str__(self) -> str:
        return f"{self.check}: found {self.found}, expected {self.expected}"
