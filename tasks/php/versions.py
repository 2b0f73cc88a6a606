"""PHP's versions, and the packages of one."""

from collections.abc import Sequence

# What Debian 13 itself has, and looks after.
OF_DEBIAN = ("8.4",)
PARTS = (
    *("fpm", "cli", "mbstring", "xml", "curl", "mysql"),
    *("zip", "bcmath", "intl", "gd", "sqlite3", "redis"),
)
# OPcache is a part of PHP itself from this version on, and no package.
OPCACHE_BUILT_IN = (8, 5)


def packages(version: str) -> list[str]:
    """Debian's names of what Laravel and most applications ask for."""
    major, minor = version.split(".")
    parts = PARTS if (int(major), int(minor)) >= OPCACHE_BUILT_IN else (*PARTS, "opcache")
    return [f"php{version}-{part}" for part in parts]


def of_vendor(versions: Sequence[str]) -> list[str]:
    """Those of the versions that Debian does not have."""
    return [version for version in versions if version not in OF_DEBIAN]
