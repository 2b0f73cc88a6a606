"""What MariaDB holds."""

from pyinfra.api import FactBase, QuoteString, StringCommand


class Databases(FactBase[list[str]]):
    """``database/NAME``, ``user/NAME`` (those whom the socket names), and in alphabetical order
    ``privileges/USER NAME, NAME``: the global ones, USAGE for none, and
    ``grant/USER DATABASE NAME, NAME``: those on one database. Of the users at localhost.

    Also what nobody should have: ``anonymous/HOST``, ``remote_root/HOST``, ``root_password``:
    root gets in by a password, ``open/DATABASE``: a pattern of databases that every user may use.

    Of the local MariaDB; empty where it is not running.
    """

    default = list

    def command(self) -> str:
        return (
            "command -v mariadb >/dev/null || exit 0; "
            "mariadb -NBe \"select concat('database/', schema_name) from"
            " information_schema.schemata union select concat('user/', user)"
            " from mysql.global_priv where json_search(priv, 'one', 'unix_socket') is not null"
            " union select concat('grant/', trim(both '\\'' from"
            " substring_index(grantee, '@', 1)), ' ', table_schema, ' ',"
            " group_concat(privilege_type order by privilege_type separator ', '))"
            " from information_schema.schema_privileges where grantee like '%@\\'localhost\\''"
            " group by grantee, table_schema"
            " union select concat('anonymous/', host) from mysql.global_priv where user = ''"
            " union select concat('open/', db) from mysql.db where user = ''"
            " union select concat('remote_root/', host) from mysql.global_priv"
            " where user = 'root' and host <> 'localhost'"
            " union select 'root_password' from mysql.global_priv where user = 'root'"
            " and host = 'localhost' and (json_value(priv, '$.plugin') <> 'unix_socket'"
            " or json_length(priv, '$.auth_or') > 1)"
            " union select concat('privileges/', trim(both '\\'' from"
            " substring_index(grantee, '@', 1)), ' ', group_concat(privilege_type"
            " order by privilege_type separator ', '))"
            " from information_schema.user_privileges where grantee like '%@\\'localhost\\''"
            ' group by grantee"'
            " 2>/dev/null; true"
        )

    def process(self, output: list[str]) -> list[str]:
        # The client's batch mode doubles a backslash, which patterns in grants have.
        return [line.replace("\\\\", "\\") for line in output]


class Login(FactBase[bool]):
    """Whether MariaDB lets in the user of an option file by the password that stands there."""

    def command(self, option_file: str) -> StringCommand:
        return StringCommand(
            "mariadb", QuoteString(f"--defaults-file={option_file}"), "-e 'select 1'",
            ">/dev/null 2>&1 && echo yes || echo no",
        )  # fmt: skip

    def process(self, output: list[str]) -> bool:
        return output == ["yes"]


class DatabaseServer(FactBase[list[str]]):
    """A MariaDB that has data: ``stopped``, ``refused/WHY`` where root does not get in, or what
    it serves: ``listens/ADDRESS`` and ``database/NAME``, without those of its own.

    ``set_up``: it has the ``config`` file of ours. Empty where there is none.
    """

    default = list

    def command(self, config: str) -> StringCommand:
        return StringCommand(
            "[ ! -e", QuoteString(config), "] || echo set_up;",
            "if [ -x /usr/sbin/mariadbd ] && [ -d /var/lib/mysql/mysql ]; then"
            " if systemctl -q is-active mariadb; then"
            " o=$(mariadb -NBe \"select concat('listens/', ifnull(@@bind_address, '*')) union"
            " select concat('database/', schema_name) from information_schema.schemata where"
            " schema_name not in ('information_schema', 'mysql', 'performance_schema', 'sys')\""
            " 2>&1) && printf '%s\\n' \"$o\" || printf 'refused/%s\\n' \"$o\" | head -n 1;"
            " else echo stopped; fi; fi",
        )  # fmt: skip

    def process(self, output: list[str]) -> list[str]:
        return output
