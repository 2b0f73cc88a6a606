"""PHP's versions: the packages of each."""

import pytest

from tasks.php.versions import packages


@pytest.mark.parametrize(("version", "has"), [("8.3", True), ("8.4", True), ("8.5", False)])
def test_opcache_is_a_package_up_to_8_4(version: str, has: bool) -> None:
    assert (f"php{version}-opcache" in packages(version)) == has
    assert {f"php{version}-fpm", f"php{version}-redis"} <= set(packages(version))


def test_a_version_of_two_digits_is_newer() -> None:
    assert "php8.10-opcache" not in packages("8.10")
