"""What MariaDB holds."""

from pyinfra.api import FactBase


class Databases(FactBase[list[str]]):
    """``database/NAME`` and ``user/NAME`` of the local MariaDB; empty where it is not running."""

    default = list

    def command(self) -> str:
        return (
            "command -v mariadb >/dev/null || exit 0; "
            "mariadb -NBe \"select concat('database/', schema_name) from"
            " information_schema.schemata union select concat('user/', user, ' ', plugin)"
            " from mysql.user union select concat('grant/', user, ' ', db) from mysql.db\""
            " 2>/dev/null; true"
        )

    def process(self, output: list[str]) -> list[str]:
        return output
