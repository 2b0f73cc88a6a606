"""What upstream projects publish as tarballs, each pinned by its checksum."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Artifact:
    """A release of one folder. ``sha256``: of the tarball, in hex. ``into``: what it becomes."""

    url: str
    sha256: str
    into: str

    @property
    def name(self) -> str:
        return self.url.rsplit("/", 1)[1]

    @property
    def marker(self) -> str:
        """The file with the checksum of what is there."""
        return f"{self.into}/.sha256"
