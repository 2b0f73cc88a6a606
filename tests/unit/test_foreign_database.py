"""Whether an application uses the database that was made for it."""

import pytest

from configs.apps import App
from tasks.laravel.environment import foreign_database


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"DB_CONNECTION": "mariadb", "DB_HOST": "127.0.0.1", "DB_PORT": "3306"},
        {"DB_DATABASE": "shop", "DB_CHARSET": "utf8mb4"},
    ],
)
def test_its_own(environment: dict[str, str]) -> None:
    assert foreign_database("shop", App(environment=environment)) == ""


@pytest.mark.parametrize(
    ("environment", "secrets", "named"),
    [
        ({"DB_HOST": "db.example.org"}, (), "DB_HOST"),
        ({"DB_CONNECTION": "sqlite"}, (), "DB_CONNECTION"),
        ({"DB_DATABASE": "other"}, (), "DB_DATABASE"),
        ({"DB_CONNECTION": "pgsql", "DB_HOST": "::2"}, (), "DB_CONNECTION, DB_HOST"),
        ({}, ("DB_URL", "STRIPE_SECRET"), "DB_URL"),
    ],
)
def test_one_elsewhere_is_told_with_what_says_so(
    environment: dict[str, str], secrets: tuple[str, ...], named: str
) -> None:
    said = foreign_database("shop", App(environment=environment, secrets=secrets))
    assert said == f"shop uses a database elsewhere ({named}): back it up there"
