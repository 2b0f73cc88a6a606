"""PHP's versions, and the packages of one."""

from collections.abc import Sequence

# What Debian 13 itself has, and looks after.
OF_DEBIAN = ("8.4",)
PARTS = (
    *("fpm", "cli", "mbstring", "xml", "curl", "opcache", "mysql"),
    *("zip", "bcmath", "intl", "gd", "sqlite3", "redis"),
)


def packages(version: str) -> list[str]:
    """Debian's names of what Laravel and most applications ask for."""
    return [f"php{version}-{part}" for part in PARTS]


def of_vendor(versions: Sequence[str]) -> list[str]:
    """Those of the versions that Debian does not have."""
    return [version for version in versions if version not in OF_DEBIAN]
